"""Stands in for the program's own processes: `stand_in.py web FD`, `worker`, `seed`..."""

import http.server
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path


class Answer(http.server.BaseHTTPRequestHandler):
    """200 for everything, with our pid and what the supervisor told us."""

    def do_GET(self) -> None:
        told = {name: value for name, value in os.environ.items() if name.startswith("ALMONER_")}
        body = json.dumps({"pid": os.getpid(), "argv": sys.argv, "told": told}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def web(fd: int) -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = http.server.ThreadingHTTPServer(("", 0), Answer, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=fd)
    server.server_activate()
    server.serve_forever()


def main() -> None:
    role = sys.argv[1]
    if role == "web":
        web(int(sys.argv[2]))
    elif role == "broken":
        sys.exit("cannot import something")
    elif role == "seed":
        with Path(os.environ["ALMONER_DATA_DIR"], "seeded").open("a") as file:
            file.write("once\n")
    else:
        if role == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)


main()
