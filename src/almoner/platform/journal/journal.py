"""This process' own segment: what is given to it is on the disk before it is acknowledged."""

from __future__ import annotations

import asyncio
import errno
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct

from almoner.platform.clock import monotonic_s, now_ms
from almoner.platform.ids import new_id
from almoner.platform.journal.copies import Copies
from almoner.platform.journal.errors import CopyNotTaken, JournalBroken, JournalFull, JournalRefuses
from almoner.platform.journal.files import SegmentFile, SegmentFiles
from almoner.platform.journal.frames import (
    Chain,
    Sealed,
    Tail,
    begin,
    header,
    note,
    record,
)
from almoner.platform.journal.sealing import Sealer
from almoner.platform.metrics import JOURNAL_BROKEN, JOURNAL_SYNC_SECONDS

log = structlog.get_logger(__name__)

GROUP_MAX: Final = 256
ROOM_BYTES: Final = 4 * 1024
"""Room that an ordinary gift fits into. With less than this the journal counts as full."""
FULL_FOR_S: Final = 10.0
"""How long a disk without room counts as full where nobody tries it."""
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Position(Struct, frozen=True):
    """Where a record stands. No two records of an installation ever share one."""

    segment_id: UUID
    sequence: int


class _Own:
    """The segment being written: how far it is good, and how far it was read again."""

    __slots__ = ("end", "file", "followed", "last_hash", "segment_id", "sequence")

    def __init__(self, file: SegmentFile, chain: Chain) -> None:
        self.file = file
        self.segment_id = chain.segment_id
        self.sequence = chain.sequence
        self.last_hash = chain.last_hash
        self.end = chain.offset
        self.followed = chain


class Journal:
    """Takes records, many in one write and one fsync.

    There is no timer: what arrives while one group is written makes the next. When there is no
    room the file is cut back to the last good record and the journal may take more later. After
    an fsync that failed nobody knows what the disk holds, also not after another one that works,
    so this process takes nothing any more (PostgreSQL wiki, "Fsync Errors").
    """

    def __init__(
        self, files: SegmentFiles, sealer: Sealer, copies: Copies, *, bytes_max: int
    ) -> None:
        self._files = files
        self._sealer = sealer
        self._copies = copies
        self._bytes_max = bytes_max
        self._own: _Own | None = None
        self._broken = False
        self._waiting: list[tuple[bytes, asyncio.Future[Position]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._full_until_s = 0.0

    async def open(self) -> None:
        """Make the segment. A folder that cannot be written now may be later."""
        try:
            await self._segment()
        except JournalRefuses as error:
            log.warning("journal_not_writable", why=error.why)

    async def close(self) -> None:
        """End the writing; an empty segment is removed, another stays for the next process."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
        own, self._own = self._own, None
        if own is None:
            return
        if own.sequence == 0:
            try:
                await own.file.remove()
            except OSError:
                own.file.close()
        else:
            own.file.close()

    async def state(self) -> str:
        """`writable`, `full` or `broken`, as far as is known without writing a record."""
        if self._broken:
            return "broken"
        try:
            await self._segment()
            await self._check_room(ROOM_BYTES)
        except JournalRefuses:
            return "full"
        return "writable" if monotonic_s() >= self._full_until_s else "full"

    @property
    def segment_id(self) -> UUID | None:
        """The segment that is being written; None before the first."""
        return self._own.segment_id if self._own else None

    @property
    def sequence(self) -> int:
        """How many records the own segment has."""
        return self._own.sequence if self._own else 0

    async def append(self, payload: bytes) -> Position:
        """Keep a payload; it is on the disk, and copied, when this returns.

        Raises JournalFull, JournalBroken or CopyNotTaken, which are Unavailable: it is not kept.
        """
        if self._broken:
            raise JournalBroken("fsync_failed")
        future: asyncio.Future[Position] = asyncio.get_running_loop().create_future()
        self._waiting.append((payload, future))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_waiting(), name="journal")
        return await future

    async def follow(self) -> tuple[list[Sealed], Tail]:
        """The records of the own segment that were acknowledged since this was last asked.

        Anything but a whole tail means that they cannot be read any more. Raises OSError.
        """
        own = self._own
        if own is None or own.followed.offset >= own.end:
            return [], Tail.WHOLE
        start, end = own.followed.offset, own.end
        data = (await own.file.read(start))[: end - start]
        records = list(own.followed.follow(data, start))
        whole = own.followed.offset == end
        return records, Tail.WHOLE if whole else Tail.DAMAGED

    async def begin_anew(self, drained: Position) -> None:
        """The segment was drained up to here: if this is its end, go on with an empty one.

        The drained one is deleted. When no new one can be made it stays and is written on.
        """
        async with self._turn:
            old = self._own
            if old is None or self._broken or drained != Position(old.segment_id, old.sequence):
                return
            try:
                self._own = await self._made()
            except OSError as error:
                log.warning("journal_segment_not_made", error=type(error).__name__)
                return
            try:
                await old.file.remove()
            except OSError as error:
                log.warning("journal_segment_not_removed", error=type(error).__name__)
        await self._copies.forget(old.segment_id)

    async def _write_waiting(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
            try:
                async with self._turn:
                    positions = await self._write([payload for payload, _ in group])
            except Exception as error:  # noqa: BLE001 - each caller is told
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), position in zip(group, positions, strict=True):
                if not future.done():
                    future.set_result(position)

    async def _write(self, payloads: list[bytes]) -> list[Position]:
        own = await self._segment()
        frames: list[tuple[int, bytes]] = []
        last_hash, sequence = own.last_hash, own.sequence
        for payload in payloads:
            sequence += 1
            sealed = self._sealer.seal(own.segment_id, sequence, last_hash, payload)
            frame, last_hash = record(sequence, own.sequence, last_hash, sealed)
            frames.append((sequence, frame))
        data = b"".join(frame for _, frame in frames)
        await self._check_room(len(data))
        await self._put(own, data)
        await self._copy(own, frames)
        self._full_until_s = 0.0
        own.end, own.sequence, own.last_hash = own.end + len(data), sequence, last_hash
        await self._note(own)
        return [Position(own.segment_id, number) for number, _ in frames]

    async def _segment(self) -> _Own:
        if self._broken:
            raise JournalBroken("fsync_failed")
        if self._own is None:
            try:
                self._own = await self._made()
            except OSError as error:
                raise JournalFull(_word(error)) from None
        return self._own

    async def _made(self) -> _Own:
        segment_id, made_ms = new_id(), now_ms()
        text = header(segment_id, made_ms)
        chain = begin(text)
        if chain is None:
            raise ValueError("a header that was just made is none")
        return _Own(await self._files.create(f"{made_ms}-{segment_id.hex}", text), chain)

    async def _check_room(self, more: int) -> None:
        if await self._files.bytes_used() + more > self._bytes_max:
            raise JournalFull("journal_bytes_max")

    async def _put(self, own: _Own, data: bytes) -> None:
        """Write and fsync, or leave the file as it was."""
        try:
            await own.file.append(data)
        except OSError as error:
            await self._cut_back(own)
            if error.errno not in _NO_ROOM:
                raise self._break(error) from None
            self._full_until_s = monotonic_s() + FULL_FOR_S
            raise JournalFull(_word(error)) from None
        await self._sync(own)

    async def _sync(self, own: _Own) -> None:
        started = monotonic_s()
        try:
            await own.file.sync()
        except OSError as error:
            await self._cut_back(own)
            raise self._break(error) from None
        JOURNAL_SYNC_SECONDS.observe(monotonic_s() - started)

    async def _copy(self, own: _Own, frames: list[tuple[int, bytes]]) -> None:
        try:
            await self._copies.put(own.segment_id, frames)
        except CopyNotTaken:
            await self._cut_back(own)
            await self._sync(own)
            raise

    async def _note(self, own: _Own) -> None:
        """Say in the file that what stands there was on the disk. It need not be there itself."""
        text = note(own.sequence, own.last_hash)
        try:
            await own.file.append(text)
        except OSError:
            await self._cut_back(own)
        else:
            own.end += len(text)

    async def _cut_back(self, own: _Own) -> None:
        """Take away what nobody may be told of. Where that fails too, nothing may follow it."""
        try:
            await own.file.cut(own.end)
        except OSError as error:
            self._break(error)

    def _break(self, error: OSError) -> JournalBroken:
        if not self._broken:
            self._broken = True
            JOURNAL_BROKEN.set(1)
            log.error("journal_broken", why=_word(error))
        return JournalBroken(_word(error))


def _word(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
