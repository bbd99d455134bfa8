"""The journal's files: the one place that touches the disk. The simulation has another.

Every call blocks. Threads are kept off the way of the money, and the journal writes only while the
database is away: one write and one fsync for all gifts that arrived together.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

_SUFFIX: Final = ".journal"


class SegmentFile(Protocol):
    """One segment, held by this process alone until it is closed. Raises OSError."""

    name: str

    async def append(self, data: bytes) -> None:
        """Write behind the last byte; it may be written in part when this raises."""
        ...

    async def sync(self) -> None:
        """Have everything on the disk. After an error nobody knows what is there."""
        ...

    async def cut(self, size: int) -> None:
        """Take away everything from `size` on."""
        ...

    async def read(self, offset: int) -> bytes:
        """Everything from `offset` on."""
        ...

    async def remove(self) -> None:
        """Delete it, for good, also after a power cut."""
        ...

    async def put_aside(self) -> None:
        """Keep it under another name, by which nobody reads it, and let go of it."""
        ...

    def close(self) -> None:
        """Let another process have it."""
        ...


class SegmentFiles(Protocol):
    """The folder of all processes' segments. Raises OSError."""

    async def create(self, name: str, first_bytes: bytes) -> SegmentFile:
        """A new segment that holds these bytes, on the disk."""
        ...

    async def names(self) -> list[str]:
        """All segments, the oldest first."""
        ...

    async def adopt(self, name: str) -> SegmentFile | None:
        """A segment that no living process holds; None when one does or it is gone."""
        ...

    async def read(self, name: str) -> bytes:
        """The bytes of a segment, whoever holds it."""
        ...

    async def bytes_used(self) -> int:
        """The size of all segments together."""
        ...


class DiskSegment:
    """A segment on a disk, held by an exclusive lock that ends with the process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.name = path.name.removesuffix(_SUFFIX)
        self._path = path
        self._descriptor = descriptor

    async def append(self, data: bytes) -> None:
        """See `SegmentFile.append`."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    async def sync(self) -> None:
        """See `SegmentFile.sync`."""
        os.fsync(self._descriptor)

    async def cut(self, size: int) -> None:
        """See `SegmentFile.cut`."""
        os.ftruncate(self._descriptor, size)

    async def read(self, offset: int) -> bytes:
        """See `SegmentFile.read`."""
        return _read(self._descriptor, offset)

    async def remove(self) -> None:
        """See `SegmentFile.remove`."""
        self._path.unlink(missing_ok=True)
        _sync_folder(self._path.parent)
        self.close()

    async def put_aside(self) -> None:
        """See `SegmentFile.put_aside`."""
        self._path.rename(self._path.with_suffix(".damaged"))
        _sync_folder(self._path.parent)
        self.close()

    def close(self) -> None:
        """See `SegmentFile.close`."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class DiskSegments:
    """Segments as files of one folder that only its owner can enter."""

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder).expanduser()

    async def create(self, name: str, first_bytes: bytes) -> DiskSegment:
        """See `SegmentFiles.create`.

        It gets its name when it is locked and whole, so that nobody takes it for an orphan.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{name}{_SUFFIX}"
        draft = path.with_suffix(".new")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        segment = DiskSegment(path, os.open(draft, flags, 0o600))
        try:
            fcntl.flock(segment._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # noqa: SLF001
            await segment.append(first_bytes)
            await segment.sync()
            draft.rename(path)
            _sync_folder(self._folder)
        except OSError:
            segment.close()
            draft.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise
        return segment

    async def names(self) -> list[str]:
        """See `SegmentFiles.names`. Names begin with the time at which a segment was made."""
        return sorted(path.name.removesuffix(_SUFFIX) for path in self._paths())

    async def adopt(self, name: str) -> DiskSegment | None:
        """See `SegmentFiles.adopt`."""
        path = self._folder / f"{name}{_SUFFIX}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if os.fstat(descriptor).st_nlink == 0:  # drained and removed by another meanwhile
            os.close(descriptor)
            return None
        return DiskSegment(path, descriptor)

    async def read(self, name: str) -> bytes:
        """See `SegmentFiles.read`."""
        with _opened(self._folder / f"{name}{_SUFFIX}") as descriptor:
            return _read(descriptor, 0)

    async def bytes_used(self) -> int:
        """See `SegmentFiles.bytes_used`."""
        return sum(_size(path) for path in self._paths())

    def _paths(self) -> list[Path]:
        try:
            return [path for path in self._folder.iterdir() if path.suffix == _SUFFIX]
        except FileNotFoundError:
            return []


def _read(descriptor: int, offset: int) -> bytes:
    size = os.fstat(descriptor).st_size
    parts: list[bytes] = []
    while offset < size and (part := os.pread(descriptor, size - offset, offset)):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    with _opened(folder) as descriptor:
        os.fsync(descriptor)
