"""Strike at one of the calls by which the journal touches the disk."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from almoner.platform.journal import files
from exhaustive.wire import Strike

_STRUCK = ("open", "write", "fsync", "ftruncate")


class _CountedOs:
    """The module `os` as the journal's files see it."""

    def __init__(self, count: Callable[..., Any]) -> None:
        self._count = count

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        if name not in _STRUCK:
            return found
        return lambda *given, **named: self._count(name, found, *given, **named)


def strike_disk(at: int, strike: Strike, struck: Callable[[str], None]) -> None:
    """From now on in this process: number what the journal does to files, and strike at one.

    To lose the answer means here that it was done and the kernel says EIO, so that nobody knows.
    """
    number = -1

    def count(name: str, do: Callable[..., Any], *given: Any, **named: Any) -> Any:
        nonlocal number
        number += 1
        if number != at:
            return do(*given, **named)
        struck(f"disk: {name}")
        if strike == "die before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = do(*given, **named)
        if strike == "die after":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "open":
            os.close(done)
        raise OSError(errno.EIO, "the disk")

    vars(files)["os"] = _CountedOs(count)
    for name in ("rename", "unlink"):
        _wrap(name, count)


def _wrap(name: str, count: Callable[..., Any]) -> None:
    original = getattr(Path, name)

    def counted(self: Path, *given: Any, **named: Any) -> Any:
        if self.suffix in (".journal", ".new"):
            return count(name, original, self, *given, **named)
        return original(self, *given, **named)

    setattr(Path, name, counted)
