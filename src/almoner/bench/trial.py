"""An installation of our own for one run: `almoner serve` on new data, gone afterwards."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from almoner.bench.cpu import children_of, words_of
from almoner.bench.errors import BenchError
from almoner.platform.embedded.data_dir import DataDir, Runtime
from almoner.platform.embedded.launch import launch

READY_SECONDS_MAX: Final = 60
STOP_SECONDS_MAX: Final = 20
COMMAND_SECONDS_MAX: Final = 300

_ROLES: Final = ("web", "worker")
_LEFT_OUT: Final = ("ALMONER_", "PG")


class Trial:
    """A running installation below `folder`."""

    host = "127.0.0.1"

    def __init__(self, folder: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.port = port
        self.data_dir = data_dir_of(folder)
        self._process = process

    def runtime(self) -> Runtime:
        """Where its servers are."""
        found = DataDir(self.data_dir).read_runtime()
        if found is None:
            raise BenchError("The installation does not say where its servers are.")
        return found

    def roles(self) -> dict[str, list[int]]:
        """The pids of its processes by what they do, the supervisor being left out."""
        found: dict[str, list[int]] = {}
        for pid in children_of(self._process.pid):
            found.setdefault(_role_of(words_of(pid)), []).append(pid)
        return found

    def ask(self, *words: str) -> tuple[int, Any]:
        """Run an `almoner` command on this installation: its exit code, and the JSON it printed.

        Raises BenchError when it says nothing that can be read.
        """
        done = subprocess.run(  # noqa: S603 - every word is ours
            [sys.executable, "-m", "almoner", *words, "--json"],
            env=environment_of(self.folder, {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        try:
            return done.returncode, msgspec.json.decode(done.stdout)
        except msgspec.DecodeError:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise BenchError(f"almoner {' '.join(words)} said nothing: {said}") from None


@contextmanager
def trial(folder: Path, *, web_processes: int, settings: dict[str, str]) -> Iterator[Trial]:
    """Serve from new data below `folder` for as long as it lasts; `settings` are `ALMONER_*`.

    Raises BenchError when it is not ready in time. Call it from the main thread (see `launch`).
    """
    port = _free_port()
    argv = [sys.executable, "-m", "almoner", "serve", "--host", Trial.host, "--port", str(port)]
    with (folder / "serve.log").open("wb") as output:
        process = launch(
            [*argv, "--data-dir", data_dir_of(folder), "--web-processes", str(web_processes)],
            death_signal=signal.SIGTERM,
            env=environment_of(folder, settings),
            output=output,
        )
    try:
        _wait_until_ready(process, port, web_processes, folder / "serve.log")
        yield Trial(folder, port, process)
    finally:
        _stop(process)


def data_dir_of(folder: Path) -> Path:
    """Where the data of a trial below `folder` lies."""
    return folder / "data"


def environment_of(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """Our environment without the caller's settings of Almoner and libpq.

    So that a run is the same wherever it is started.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    return {**kept, "ALMONER_DATA_DIR": str(data_dir_of(folder)), **settings}


def _role_of(words: list[str]) -> str:
    program = Path(words[0]).name if words else ""
    if program.startswith("postgres"):
        return "postgres"
    if program.startswith("valkey"):
        return "valkey"
    return next((role for role in _ROLES if role in words), "other")


def _free_port() -> int:
    with socket.create_server((Trial.host, 0)) as taken:
        return int(taken.getsockname()[1])


def _wait_until_ready(
    process: subprocess.Popen[bytes], port: int, web_processes: int, log: Path
) -> None:
    """Wait until every web process listens: one that comes late would get no connections."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while _listening(port) < web_processes or not _says_ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace").strip()[-800:]
            raise BenchError(f"almoner serve did not become ready:\n{said}")
        time.sleep(0.05)


def _listening(port: int) -> int:
    """How many sockets listen on a port (proc_net_tcp: state 0A is LISTEN)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def _says_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(Trial.host, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
