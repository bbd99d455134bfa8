"""The journal's folder in memory: a disk with a page cache, that can be full or ill."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

from almoner.platform.journal.orphans import read_segment
from simulation.places import HERE, Life, Place

if TYPE_CHECKING:
    from simulation.store.store import Store
    from simulation.world import World


class DiskIlls(Struct):
    """How likely each ill of a single write or fsync is."""

    full: float = 0.0
    sync_error: float = 0.0


class _File:
    """One file: what is in the page cache, and how much of it is on the disk."""

    def __init__(self, holder: Place) -> None:
        self.holder: Place = holder
        self.data = b""
        self.durable = 0
        self._parsed = 0
        self._positions: list[tuple[UUID, int]] = []

    def positions(self) -> list[tuple[UUID, int]]:
        """Where its records stand."""
        if self._parsed != len(self.data):
            self._parsed = len(self.data)
            contents = read_segment(self.data)
            self._positions = [
                (contents.segment_id, record.sequence)
                for record in contents.records
                if contents.segment_id is not None
            ]
        return self._positions


class Disk:
    """One machine's disk, with the folder of all its processes' segments."""

    def __init__(self, world: World, ills: DiskIlls) -> None:
        self.world = world
        self.ills = ills
        self.files: dict[str, _File] = {}
        self.random = world.random("disk")

    def undrained(self, store: Store) -> bool:
        """Whether a record is left that no transaction has taken in, or a file nobody holds."""
        drained = store.schema.drained.rows
        return any(
            file.holder.life is Life.DEAD
            or any(position not in drained for position in file.positions())
            for file in self.files.values()
        )

    def power_cut(self, place: Place) -> None:
        """What this process wrote and did not have on the disk is gone, or torn."""
        for file in self.files.values():
            if file.holder is place:
                lost = len(file.data) - file.durable
                if lost:
                    self.world.fault("torn_tail", place)
                    kept = int(self.random.random() * (lost + 1))
                    file.data = file.data[: file.durable + kept]


class SimSegment:
    """See `SegmentFile`."""

    def __init__(self, disk: Disk, name: str, file: _File) -> None:
        self.name = name
        self._disk = disk
        self._file = file

    async def append(self, data: bytes) -> None:
        disk = self._disk
        if not disk.world.healed and disk.random.random() < disk.ills.full:
            disk.world.fault("disk_full", self._file.holder)
            self._file.data += data[: int(disk.random.random() * len(data))]
            raise OSError(errno.ENOSPC, "No space left on device")
        half = int(disk.random.random() * len(data))
        self._file.data += data[:half]
        await disk.world.sleep(0.0001)
        self._file.data += data[half:]

    async def sync(self) -> None:
        disk = self._disk
        size = len(self._file.data)
        await disk.world.sleep(0.001 + disk.random.random() * 0.01)
        if not disk.world.healed and disk.random.random() < disk.ills.sync_error:
            disk.world.fault("disk_sync_error", self._file.holder)
            raise OSError(errno.EIO, "Input/output error")
        self._file.durable = max(self._file.durable, size)

    async def cut(self, size: int) -> None:
        self._file.data = self._file.data[:size]
        self._file.durable = min(self._file.durable, size)

    async def read(self, offset: int) -> bytes:
        return self._file.data[offset:]

    async def remove(self) -> None:
        self._disk.files.pop(self.name, None)

    def close(self) -> None:
        """Only the end of its process lets another have it."""


class SimSegments:
    """See `SegmentFiles`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    async def create(self, name: str, first_bytes: bytes) -> SimSegment:
        file = _File(HERE.get())
        file.data = first_bytes
        file.durable = len(first_bytes)
        self._disk.files[name] = file
        return SimSegment(self._disk, name, file)

    async def names(self) -> list[str]:
        return sorted(self._disk.files)

    async def adopt(self, name: str) -> SimSegment | None:
        file = self._disk.files.get(name)
        if file is None or file.holder.life is not Life.DEAD:
            return None
        file.holder = HERE.get()
        return SimSegment(self._disk, name, file)

    async def read(self, name: str) -> bytes:
        return self._disk.files[name].data

    async def bytes_used(self) -> int:
        return sum(len(file.data) for file in self._disk.files.values())
