"""A private Valkey: our direct child, in memory only, reached over a socket only."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from almoner.platform.embedded.cluster import SERVER_ENVIRONMENT
from almoner.platform.embedded.errors import ServerFailed
from almoner.platform.embedded.launch import Identity, launch, stop_signals_held, wait_for_exit
from almoner.platform.embedded.programs import valkey_program
from almoner.platform.embedded.server_log import ServerLog

SOCKET_NAME = "valkey.sock"
READY_SECONDS_MAX = 10

# Nothing in it is worth keeping: a copy of the charity list, rate-limit counters, sessions. When
# the memory is full the least recently used key goes, of all keys. `noeviction` would instead
# refuse every write, and a full cache would then stop the limiter; a counter or session in use
# is by that fact recently used, so what goes is a charity page nobody looked at.
_SETTINGS = {
    "port": "0",
    "unixsocketperm": "600",
    "save": "",
    "appendonly": "no",
    "maxmemory": "128mb",
    "maxmemory-policy": "allkeys-lru",
    "daemonize": "no",
    "loglevel": "notice",
    "logfile": "",
}


class Valkey:
    """The cache of one data directory; `run_dir` is the folder of its socket."""

    name = "Valkey"

    def __init__(self, data_dir: Path, run_dir: Path, identity: Identity | None = None) -> None:
        self.run_dir = run_dir
        self._socket_path = run_dir / SOCKET_NAME
        self._identity = identity
        self._log = ServerLog(data_dir / "valkey.log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the running server, None when it does not run."""
        return self._process.pid if self._process is not None and self.is_alive() else None

    def is_alive(self) -> bool:
        """Whether the server process runs."""
        return self._process is not None and self._process.poll() is None

    def url(self) -> str:
        """The URL as redis-py reads it."""
        return f"unix://{quote(str(self._socket_path))}?db=0"

    def start(self) -> None:
        """Start the server, also after it died; return when it answers.

        Raises `ProgramMissing`, and `ServerFailed` with the end of the log.
        """
        # One left by a killed server would answer nobody, but its name is taken.
        self._socket_path.unlink(missing_ok=True)
        settings = {**_SETTINGS, "unixsocket": str(self._socket_path), "dir": str(self.run_dir)}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        with self._log.open() as output, stop_signals_held():
            self._process = launch(
                [valkey_program(), *words],
                death_signal=signal.SIGTERM,
                identity=self._identity,
                env=SERVER_ENVIRONMENT,
                output=output,
            )
        self._wait_until_ready(self._process)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not _answers(self._socket_path):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed(
                    f"Valkey did not start. The end of {self._log.path}:\n{self._log.tail()}"
                )
            time.sleep(0.005)

    def stop(self, seconds: float = 1.0) -> None:
        """Stop it (SIGTERM, after so many seconds SIGKILL); nothing when it does not run."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        if not wait_for_exit(process, seconds):
            process.kill()
            wait_for_exit(process, 1)


def _answers(path: Path) -> bool:
    """Whether a server at this socket answers PING."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
