"""A real `almoner serve`, in processes of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from support.tamper import superuser_url

READY_SECONDS_MAX = 60


class Serving:
    """One run of `almoner serve` on a data directory, on a free port."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ALMONER_")},
            **{f"ALMONER_{name.upper()}": value for name, value in settings.items()},
            "ALMONER_DATA_DIR": str(data_dir),
        }
        self._log = (data_dir.parent / "serve.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "almoner", "serve", "--port", "0"],
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.url = self._wait()

    def _wait(self) -> str:
        deadline = time.monotonic() + READY_SECONDS_MAX
        start = self._log.tell()
        path = Path(str(self._log.name))
        while time.monotonic() < deadline:
            said = path.read_bytes()[start:].decode(errors="replace")
            if found := re.search(r"ready at (http://\S+)", said):
                return found[1]
            if self.process.poll() is not None:
                raise RuntimeError(f"serve ended with {self.process.returncode}:\n{said}")
            time.sleep(0.05)
        raise TimeoutError(f"serve was not ready in time:\n{path.read_text()[-3000:]}")

    def client(self) -> httpx.AsyncClient:
        """Somebody who talks to it over a socket."""
        return httpx.AsyncClient(base_url=self.url, timeout=30, trust_env=False)

    def runs(self, *arguments: str) -> tuple[int, Any]:
        """Run a command on the same data; gives its exit code and its JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "almoner", *arguments, "--json"],
            env=self._environment,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return done.returncode, json.loads(done.stdout or b"null")

    def superuser_url(self, *, sandbox: bool = False) -> str:
        """The main database, or the sandbox gateway's, for looking after it."""
        running = json.loads((self.data_dir / "runtime.json").read_text())
        return superuser_url(running["sandbox_database_url" if sandbox else "database_url"])

    def children(self, word: str) -> list[int]:
        """Process ids of direct children whose command line holds a word."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                line = (entry / "cmdline").read_bytes().decode().split("\0")
            except (OSError, IndexError):
                continue
            if parent == str(self.process.pid) and word in line:
                found.append(int(entry.name))
        return found

    def survivors(self) -> list[int]:
        """Process ids of everything of ours that still runs on this data directory."""
        mark = f"ALMONER_DATA_DIR={self.data_dir}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except (OSError, ValueError):
                continue
        return found

    def children_named(self, start: str) -> list[int]:
        """Process ids of direct children whose program's name starts like this."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
            except OSError:
                continue
            if name.startswith(start) and rest.split()[1] == str(self.process.pid):
                found.append(int(entry.name))
        return found

    def kill(self) -> None:
        """kill -9 of the supervisor; its children must die of it."""
        self.process.kill()
        self.process.wait(timeout=30)
        self._log.close()

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self._log.close()
        return code


@contextmanager
def serving(data_dir: Path, **settings: str) -> Iterator[Serving]:
    """Serve for as long as it lasts."""
    serving = Serving(data_dir, **settings)
    try:
        yield serving
    finally:
        serving.stop()
