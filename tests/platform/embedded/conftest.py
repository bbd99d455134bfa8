"""Folders, settings and a supervisor in a process of its own, with stand-ins for web and worker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from almoner.platform.settings import Settings

HERE = Path(__file__).parent


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name that every user may pass."""
    path = Path(tempfile.mkdtemp(prefix="alm")).resolve()
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def settings(folder: Path) -> Settings:
    return settings_for(folder / "data")


def settings_for(data_dir: Path) -> Settings:
    """Settings that name a data directory and a free port, and nothing else."""
    plain = Settings()
    return msgspec.structs.replace(
        plain,
        servers=msgspec.structs.replace(plain.servers, data_dir=str(data_dir)),
        web=msgspec.structs.replace(plain.web, port=0),
    )


def eventually(what: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until it is so; fails when it is not in time."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether the process is there and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def pids_in(data_dir: Path) -> list[int]:
    """The processes that name this data directory or work in it: servers and children."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
            where = str((entry / "cwd").readlink())
        except OSError:
            continue
        if f"{data_dir}/" in words or where.startswith(f"{data_dir}/"):
            found.append(int(entry.name))
    return [pid for pid in found if is_running(pid)]


class Supervised:
    """A supervisor that runs in a process of its own."""

    def __init__(self, data_dir: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [sys.executable, HERE / "supervise.py", data_dir, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )

    def url(self) -> str:
        """Wait for the address it tells when it is ready."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line.startswith("http"), f"said {line!r} and {self.end()}"
        return line

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def end(self) -> str:
        """Wait for the end; what it said on standard error."""
        return self.process.communicate(timeout=60)[1]

    def kill(self) -> None:
        """End it the hard way and read what is left of its words."""
        self.process.kill()
        self.process.communicate(timeout=20)


@pytest.fixture
def supervise(folder: Path) -> Iterator[Callable[..., Supervised]]:
    """Start supervisors; all are gone at the end, with everything they started."""
    started: list[Supervised] = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> Supervised:
        started.append(Supervised(folder / "data", *arguments, env=env))
        return started[-1]

    yield start
    for one in started:
        one.kill()
    eventually(lambda: not pids_in(folder / "data"))
