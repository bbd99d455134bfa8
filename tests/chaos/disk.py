"""A small disk for the journal that can be filled and emptied again, whoever watches."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

DISK_BYTES = 2 * 1024 * 1024
LIMIT_BYTES = 4 * 1024 * 1024
"""`ALMONER_JOURNAL_BYTES_MAX` of a campaign, above what the small disk holds."""


class Room(Protocol):
    """Where the journal is. `fault` names what `fill` does, `why` what the journal says of it."""

    fault: str
    why: str
    left_out: str

    def fill(self) -> None:
        """Leave no room."""
        ...

    def empty(self) -> None:
        """Give the room back."""
        ...


class SmallDisk:
    """A file system of two megabytes of its own; full, a write fails with ENOSPC."""

    fault = "journal's disk full"
    why = "ENOSPC"
    left_out = ""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """See `Room.fill`. To the last byte: big pieces first, then single ones."""
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for piece in (65_536, 4_096, 1):
                with suppress_no_room():
                    while True:
                        os.write(descriptor, b"\0" * piece)
        finally:
            os.close(descriptor)

    def empty(self) -> None:
        """See `Room.empty`."""
        self._ballast.unlink(missing_ok=True)


class FullByLimit:
    """Where nothing may be mounted: a locked file uses up the journal's own limit."""

    fault = "journal full by its own limit"
    why = "journal_bytes_max"

    def __init__(self, folder: Path, because: str) -> None:
        self.left_out = f"{SmallDisk.fault}: no disk of its own could be mounted ({because})"
        self._filler = folder / "0-filler.journal"
        self._descriptor = -1

    def fill(self) -> None:
        """See `Room.fill`. Locked before it has its name, so that nobody adopts it."""
        draft = self._filler.with_suffix(".filling")
        self._descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        os.ftruncate(self._descriptor, LIMIT_BYTES)
        draft.rename(self._filler)

    def empty(self) -> None:
        """See `Room.empty`."""
        self._filler.unlink(missing_ok=True)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def room_for_journal(folder: Path) -> Iterator[Room]:
    """Make the folder, on a small disk where that may be mounted. Nothing of it is left behind."""
    folder.mkdir(mode=0o700)
    because = _mount(folder)
    if because:
        yield FullByLimit(folder, because)
        return
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily as well: whoever still holds a file there must not leave a mount behind.
        if _ran("umount", str(folder)):
            _ran("umount", "--lazy", str(folder))


@contextmanager
def suppress_no_room() -> Iterator[None]:
    """Let a full disk end the block."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def _mount(folder: Path) -> str:
    """Mount a small file system there; gives why not, or nothing."""
    if os.geteuid() != 0:
        return "not root"
    return _ran("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(folder))


def _ran(*words: str) -> str:
    """What a command complained about; nothing when it did its work."""
    complaint = "not possible here"
    with suppress(OSError):
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        complaint = done.stderr.strip() or complaint if done.returncode else ""
    return complaint
