"""Drain: bring what the journal keeps into the database, in order, and then charge it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct

from almoner.donations.answer import Answer
from almoner.donations.gift import Intent
from almoner.donations.intend import Begun
from almoner.donations.keep import Keeping
from almoner.donations.kept import KeptIntent, KeptRecord, read_payload
from almoner.donations.take_in import LATER, TakenIn
from almoner.platform.batch import Batcher
from almoner.platform.clock import monotonic_s
from almoner.platform.db import DatabaseAway
from almoner.platform.errors import Unavailable
from almoner.platform.ids import IdDeriver
from almoner.platform.journal.copies import Copies
from almoner.platform.journal.errors import Unreadable
from almoner.platform.journal.files import SegmentFile, SegmentFiles
from almoner.platform.journal.frames import Sealed, Tail
from almoner.platform.journal.journal import Journal, Position
from almoner.platform.journal.orphans import Orphan, adopt_orphans
from almoner.platform.journal.sealing import Sealer
from almoner.platform.metrics import JOURNAL_DAMAGED, JOURNAL_DRAINED

log = structlog.get_logger(__name__)

BATCH_MAX: Final = 64
IN_FLIGHT_MAX: Final = 64
BREATH_S: Final = 0.05
"""Pause between two batches, so that donors who give now come first."""
LOOK_FOR_ORPHANS_S: Final = 5.0
TRY_AGAIN_S: Final = 1.0
TRY_FAILED_AGAIN_S: Final = 30.0

CarryOn = Callable[[Intent, Begun], "asyncio.Task[Answer]"]


class Segments(Struct, frozen=True):
    """Where segments are, and how they are opened."""

    files: SegmentFiles
    sealer: Sealer
    copies: Copies


class _Backlog:
    """One segment's records that are still to be taken in."""

    def __init__(self, segment_id: UUID, file: SegmentFile | None) -> None:
        self.segment_id = segment_id
        self.file = file
        self.waiting: deque[Sealed] = deque()
        self.later: list[tuple[float, Sealed]] = []
        self.last = 0
        self.damaged = False

    def add(self, records: Sequence[Sealed]) -> None:
        """Records that were read."""
        self.waiting.extend(records)
        if records:
            self.last = records[-1].sequence

    def next(self, count: int) -> list[Sealed]:
        """The next records: first those that had to wait and are due."""
        now = monotonic_s()
        due = [record for at, record in self.later if at <= now][:count]
        self.later = [(at, r) for at, r in self.later if r not in due]
        while self.waiting and len(due) < count:
            due.append(self.waiting.popleft())
        return due

    def give_back(self, records: Sequence[Sealed]) -> None:
        """They were not taken in: next time again, in the same order."""
        self.waiting.extendleft(reversed(records))

    @property
    def empty(self) -> bool:
        """Whether everything that could be read was taken in."""
        return not self.waiting and not self.later


class Drain:
    """Drains this process' own segment and those that processes left behind.

    It begins slowly, because a database that has just come back has much to do, and stops at
    once when it goes away again. Nothing is sent before the gift and the position of its record
    are committed together.
    """

    def __init__(
        self,
        segments: Segments,
        journal: Journal | None,
        keeping: Keeping,
        taking_in: Batcher[Sequence[KeptRecord], list[TakenIn]],
        carry_on: CarryOn,
        ids: IdDeriver,
    ) -> None:
        self._segments = segments
        self._journal = journal
        self._keeping = keeping
        self._taking_in = taking_in
        self._carry_on = carry_on
        self._ids = ids
        self._own: _Backlog | None = None
        self._orphans: list[_Backlog] = []
        self._charging: set[asyncio.Task[Answer]] = set()
        self._size = 1
        self._look_again_s = 0.0
        self._looked = False
        self._in_hand = 0

    async def step(self) -> int:
        """Take the next records in; gives how many. Reading the folder may raise OSError."""
        await self._follow_own()
        await self._adopt()
        self._keeping.report()
        JOURNAL_DAMAGED.set(sum(b.damaged for b in self._backlogs))
        if self._keeping.away:
            return 0
        done = 0
        for backlog in self._backlogs:
            done += await self._drain(backlog)
            await self._finish(backlog)
        return done

    async def open(self) -> None:
        """Nothing to start: a loop calls `step`."""

    async def close(self) -> None:
        """Let go of what is left; the next process goes on with it."""
        for backlog in self._orphans:
            if backlog.file is not None:
                backlog.file.close()

    @property
    def waiting(self) -> int:
        """Records that were read and are not taken in."""
        return self._in_hand + sum(len(b.waiting) + len(b.later) for b in self._backlogs)

    @property
    def damaged(self) -> int:
        """Segments that cannot be drained to their end."""
        return sum(b.damaged for b in self._backlogs)

    @property
    def finished(self) -> bool:
        """Whether everything that can be read was taken in and charged."""
        return self._looked and not self.waiting and not self._charging

    def add_copies(self, segment_id: UUID, records: Sequence[Sealed]) -> None:
        """Drain records that were read from somewhere else than a file."""
        backlog = _Backlog(segment_id, None)
        backlog.add(records)
        self._orphans.append(backlog)

    async def put_aside_damaged(self) -> list[str]:
        """Take segments that cannot be read to their end out of the way; gives their names."""
        names = []
        for backlog in [b for b in self._orphans if b.damaged and b.empty]:
            self._orphans.remove(backlog)
            if backlog.file is not None:
                names.append(backlog.file.name)
                await backlog.file.put_aside()
        return names

    async def until_charged(self) -> None:
        """Wait for the charges that were begun."""
        if self._charging:
            await asyncio.wait(self._charging)

    @property
    def _backlogs(self) -> list[_Backlog]:
        return [*self._orphans, self._own] if self._own else list(self._orphans)

    async def _follow_own(self) -> None:
        if self._journal is None or self._journal.segment_id is None:
            return
        if self._own is None or self._own.segment_id != self._journal.segment_id:
            self._own = _Backlog(self._journal.segment_id, None)
        if self._own.damaged:
            return
        records, tail = await self._journal.follow()
        self._own.add(records)
        if tail is not Tail.WHOLE:
            self._damaged(self._own, self._own.last)

    async def _adopt(self) -> None:
        if monotonic_s() < self._look_again_s:
            return
        self._look_again_s = monotonic_s() + LOOK_FOR_ORPHANS_S
        for orphan in await adopt_orphans(self._segments.files):
            await self._begin(orphan)
        self._looked = True

    async def _begin(self, orphan: Orphan) -> None:
        contents = orphan.contents
        if contents.segment_id is None and contents.tail is Tail.TORN:
            await orphan.file.remove()
            return
        backlog = _Backlog(contents.segment_id or UUID(int=0), orphan.file)
        self._orphans.append(backlog)
        backlog.add(contents.records)
        log.info("journal_adopted", segment=orphan.file.name, records=len(contents.records))
        if contents.tail is Tail.TORN:
            lost = contents.bytes_all - contents.bytes_good
            log.warning("journal_torn_tail_cut", segment=orphan.file.name, bytes=lost)
        elif contents.tail is Tail.DAMAGED:
            self._damaged(backlog, backlog.last)

    def _read(self, backlog: _Backlog, record: Sealed) -> KeptIntent | None:
        """The gift of a record. One that does not open ends the segment there."""
        place = (backlog.segment_id, record.sequence, record.previous)
        try:
            return read_payload(self._segments.sealer.open(*place, record.payload))
        except Unreadable:
            backlog.waiting = deque(r for r in backlog.waiting if r.sequence < record.sequence)
            self._damaged(backlog, record.sequence - 1)
            return None

    def _damaged(self, backlog: _Backlog, after_record: int) -> None:
        if not backlog.damaged:
            backlog.damaged = True
            name = backlog.file.name if backlog.file else backlog.segment_id.hex
            log.error("journal_damaged", segment=name, after_record=after_record)

    async def _drain(self, backlog: _Backlog) -> int:
        """One batch of a segment."""
        room = IN_FLIGHT_MAX - len(self._charging)
        if room <= 0:
            await asyncio.wait(self._charging, return_when=asyncio.FIRST_COMPLETED)
            return 1
        sealed = backlog.next(min(self._size, room))
        records: list[KeptRecord] = []
        for record in sealed:
            if (kept := self._read(backlog, record)) is None:
                break
            records.append(KeptRecord(Position(backlog.segment_id, record.sequence), kept))
        if not records:
            return 0
        sealed = sealed[: len(records)]
        self._in_hand = len(records)
        try:
            taken = await self._taking_in.submit(records)
        except Unavailable as error:
            self._size = 1
            backlog.give_back(sealed)
            if isinstance(error, DatabaseAway):
                self._keeping.away_now()
            return 0
        except Exception:
            log.exception("journal_records_not_taken_in", records=len(records))
            self._put_off(backlog, sealed)
            return 0
        finally:
            self._in_hand = 0
        self._size = min(self._size * 2, BATCH_MAX)
        done = self._apply(backlog, sealed, taken)
        await asyncio.sleep(BREATH_S)
        return done

    def _put_off(self, backlog: _Backlog, sealed: Sequence[Sealed]) -> None:
        """A fault of ours: try them one by one, and one that fails alone much later."""
        if len(sealed) > 1:
            self._size = 1
            backlog.give_back(sealed)
        else:
            backlog.later.append((monotonic_s() + TRY_FAILED_AGAIN_S, sealed[0]))

    def _apply(self, backlog: _Backlog, sealed: Sequence[Sealed], taken: Sequence[TakenIn]) -> int:
        done = 0
        for record, one in zip(sealed, taken, strict=True):
            if one.result == LATER:
                backlog.later.append((monotonic_s() + TRY_AGAIN_S, record))
                continue
            done += 1
            JOURNAL_DRAINED.labels(one.result).inc()
            self._keeping.forget(one.intent.donation_id)
            if one.begun is not None:
                task = self._carry_on(one.intent, one.begun)
                self._charging.add(task)
                task.add_done_callback(self._charging.discard)
        return done

    async def _finish(self, backlog: _Backlog) -> None:
        """Give a segment up that is drained to its end."""
        if not backlog.empty or backlog.damaged:
            return
        if backlog is self._own:
            if self._journal is not None and backlog.last:
                await self._journal.begin_anew(Position(backlog.segment_id, backlog.last))
            return
        self._orphans.remove(backlog)
        if backlog.file is not None:
            log.info("journal_drained", segment=backlog.file.name, records=backlog.last)
            await backlog.file.remove()
        await self._segments.copies.forget(backlog.segment_id)
