"""What keeps gifts while the database is away, and what brings them in afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from almoner.bootstrap.base import Base
from almoner.donations.drain import CarryOn, Drain, Segments
from almoner.donations.finish import FinishLinks
from almoner.donations.gift import Intent
from almoner.donations.intend import Intended
from almoner.donations.keep import Keeping
from almoner.donations.kept import KeptRecord
from almoner.donations.outage import Outage
from almoner.donations.take_in import TakeIn, TakeInRules, TakenIn
from almoner.donations.withdrawals import Withdrawals
from almoner.platform.batch import Batcher
from almoner.platform.db import Writer
from almoner.platform.ids import Tokens
from almoner.platform.journal.copies import Copies, NoCopies, ValkeyCopies
from almoner.platform.journal.files import DiskSegments
from almoner.platform.journal.journal import Journal
from almoner.platform.journal.sealing import Sealer
from almoner.platform.loops import Loop, Looping

_DRAIN_PAUSE_S = 0.2
_TAKE_IN_RETRY_MS = 2_000
_PROBE_PATIENCE_MS = 3_000


class Kept:
    """The parts that keep gifts: the circuit, the journal, what is remembered of it.

    Opened before giving begins and closed after it ended.
    """

    def __init__(self, base: Base, intents: Batcher[Intent, Intended]) -> None:
        settings = base.settings
        self.writer = Writer(settings.servers.database_url, patience_ms=_PROBE_PATIENCE_MS)
        self.outage = Outage(self.writer)
        self.withdrawals = Withdrawals(base.database)
        self.segments = make_segments(base) if settings.journal.journal_dir else None
        self.journal = (
            Journal(
                self.segments.files,
                self.segments.sealer,
                self.segments.copies,
                bytes_max=settings.journal.journal_bytes_max,
            )
            if self.segments
            else None
        )
        self.keeping = Keeping(
            intents,
            self.outage,
            self.withdrawals,
            self.journal,
            age_max_ms=settings.journal.journal_age_minutes_max * 60_000,
        )

    async def open(self) -> None:
        """Make the segment of this process."""
        await self.writer.open()
        if self.journal is not None:
            await self.journal.open()

    async def close(self) -> None:
        """Leave what is kept for the next process."""
        await self.withdrawals.close()
        await self.outage.close()
        if self.journal is not None:
            await self.journal.close()
        await self.writer.close()


class Draining:
    """Brings kept gifts into the database, through a connection of its own."""

    def __init__(self, base: Base, segments: Segments, kept: Kept, carry_on: CarryOn) -> None:
        settings = base.settings
        self._writer = Writer(settings.servers.database_url)
        rules = TakeInRules(
            nonce_ms=settings.journal.journal_nonce_minutes * 60_000,
            check_after_ms=base.check_after_ms,
        )
        self._take_in = TakeIn(self._writer, base.ids, base.read_tokens, make_links(base), rules)
        self._batcher: Batcher[Sequence[KeptRecord], list[TakenIn]] = Batcher(
            "journal", self._write, batch_max=1, retry_for_ms=_TAKE_IN_RETRY_MS
        )
        self.drain = Drain(segments, kept.journal, kept.keeping, self._batcher, carry_on, base.ids)
        self._looping = Looping([Loop("journal drain", self.drain.step, _DRAIN_PAUSE_S)])

    async def open(self) -> None:
        """Begin to drain."""
        await self._writer.open()
        await self._batcher.open()
        await self._looping.open()

    async def close(self) -> None:
        """Stop; what was begun is charged to its end by giving."""
        await self._looping.close()
        await self._batcher.close()
        await self.drain.close()
        await self._writer.close()

    async def _write(self, batches: Sequence[Sequence[KeptRecord]]) -> list[list[TakenIn]]:
        return [await self._take_in.write(batch) for batch in batches]


def make_segments(base: Base) -> Segments:
    """Where this installation's segments are."""
    settings = base.settings
    copies: Copies = NoCopies()
    if settings.journal.journal_copies > 1 and base.cache is not None:
        copies = ValkeyCopies(base.cache)
    folder = Path(settings.journal.journal_dir)
    return Segments(DiskSegments(folder), Sealer(settings.secrets.secret_key), copies)


def make_links(base: Base) -> FinishLinks:
    """Links to finish a gift that was not charged."""
    return FinishLinks(Tokens(base.settings.secrets.secret_key, "finish"))
