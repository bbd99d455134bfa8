"""nginx serving the same bytes from a file: what a web server can do on this machine."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from almoner.bench.errors import BenchError
from almoner.bench.programs import find
from almoner.platform.embedded.launch import launch

READY_SECONDS_MAX = 10

# Set by nginx itself, or by both on their own account.
_NOT_COPIED = {"date", "server", "content-length", "content-type", "connection", "keep-alive"}


@contextmanager
def nginx(
    folder: Path, body: bytes, headers: Mapping[str, str], *, workers: str
) -> Iterator[tuple[int, int]]:
    """Serve `body` at `/charities` with these headers; gives port and pid.

    As its documentation advises for files that are asked for often: `sendfile`, an open file
    cache, kept-alive connections without end, no access log.
    """
    folder.mkdir(exist_ok=True)
    (folder / "charities.json").write_bytes(body)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    (folder / "nginx.conf").write_text(_configuration(folder, port, headers, workers))
    with (folder / "nginx.log").open("wb") as output:
        process = launch(
            [find("nginx"), "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"],
            death_signal=signal.SIGTERM,
            output=output,
        )
    try:
        _wait_until_ready(process, port, folder / "nginx.log")
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _configuration(folder: Path, port: int, headers: Mapping[str, str], workers: str) -> str:
    added = "\n".join(
        f"      add_header {name} {_quoted(value)};"
        for name, value in headers.items()
        if name.lower() not in _NOT_COPIED
    )
    # Root's workers would become `nobody`, who may not enter our folder.
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""
{user}
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  server_tokens off;
  keepalive_timeout 75;
  keepalive_requests 1000000000;
  open_file_cache max=100 inactive=300s;
  open_file_cache_valid 300s;
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location = /charities {{
      alias {folder}/charities.json;
      default_type application/json;
      types {{ }}
      etag off;
      max_ranges 0;
      add_header Last-Modified "";
{added}
    }}
  }}
}}
"""


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/charities")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:
            pass
        finally:
            connection.close()
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace").strip()[-500:]
            raise BenchError(f"nginx did not become ready:\n{said}")
        time.sleep(0.05)
