"""The three-way match: our attempts, the gateway's charges, and its payouts with the ledger.

Differences are kept (`match/note.py`). What a look-up may mend is made due for one; nothing here
moves an attempt by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal, Protocol

import structlog
from msgspec import Struct

from almoner.operations.import_settlement import SettlementImport
from almoner.operations.match import queries
from almoner.operations.match.charges import MatchedGateway, compare_charges
from almoner.operations.match.difference import OF_CHARGES, OF_PAYOUTS
from almoner.operations.match.note import LookAgain, note, show
from almoner.operations.match.payouts import compare_payouts
from almoner.operations.match.queries import OpenDifference
from almoner.payments.gateway import SettlesInBatches
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.errors import Unavailable
from almoner.platform.ids import new_id

log = structlog.get_logger(__name__)

_LEASE_MS: Final = {"import": 900_000, "match": 2 * 3_600_000}
"""For how long a run that does not end keeps others from beginning."""


class Rhythm(Struct, frozen=True):
    """How often; and from which age on a charge that was not paid out is a difference."""

    import_minutes: int = 60
    match_hours: int = 24
    payout_days_max: int = 10


class MatchedBooks(MatchedGateway, SettlesInBatches, Protocol):
    """A gateway that shows its charges and what it paid out."""


class MatchResult(Struct, frozen=True):
    """What a match found. `open_attempts` are in doubt: the resolver's work, no difference."""

    matched: int
    open_attempts: int
    captured_minor: dict[str, int]
    differences: list[OpenDifference]


class _Run(Struct):
    """Whether a run is this worker's, and what it counted: matched, open, different."""

    claimed: bool = False
    counts: tuple[int, int, int] = (0, 0, 0)


class BooksMatch:
    """Imports payouts and matches, by hand or in its rhythm. One worker at a time does it."""

    def __init__(
        self,
        database: Database,
        gateway: MatchedBooks,
        settlement: SettlementImport,
        look_again: LookAgain,
        rhythm: Rhythm,
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._settlement = settlement
        self._look_again = look_again
        self._rhythm = rhythm

    async def import_when_due(self) -> int:
        """Import new payouts if nobody did lately. Raises Unavailable."""
        await show(self._database)
        async with self._run("import", self._rhythm.import_minutes * 60_000) as run:
            if run.claimed:
                done = await self._settlement.new(self._gateway.name, self._gateway)
                run.counts = (done.lines_settled, done.lines_waiting, len(done.differences))
        return 0

    async def match_when_due(self) -> int:
        """Match if nobody did lately. Raises Unavailable."""
        async with self._run("match", self._rhythm.match_hours * 3_600_000) as run:
            if run.claimed:
                found = await self.match()
                run.counts = (found.matched, found.open_attempts, len(found.differences))
                log.info(
                    "books_matched",
                    matched=found.matched,
                    open=found.open_attempts,
                    differences=len(found.differences),
                )
        return 0

    @asynccontextmanager
    async def _run(self, kind: Literal["import", "match"], every_ms: int) -> AsyncIterator[_Run]:
        """A run that this worker has claimed, or that is not its turn.

        One that fails is not counted: it may begin again with the next look. One whose worker dies
        keeps others from beginning for a while.
        """
        name, run = (new_id(), kind, self._gateway.name), _Run()
        run.claimed = await queries.claim_run(
            self._database, name, now_ms(), every_ms, _LEASE_MS[kind]
        )
        try:
            yield run
        except BaseException:
            if run.claimed:
                with suppress(Unavailable):
                    await queries.drop_run(self._database, name[0])
            raise
        if run.claimed:
            await queries.finish_run(self._database, name[0], run.counts, now_ms())

    async def match(self) -> MatchResult:
        """Match now. Raises Unavailable when the gateway or the database cannot be asked."""
        name = self._gateway.name
        await self._settlement.new(name, self._gateway, of="lately")
        match, found = await compare_charges(self._database, self._gateway)
        await note(self._database, name, found, OF_CHARGES, self._look_again)
        found = await compare_payouts(self._database, name, days_max=self._rhythm.payout_days_max)
        await note(self._database, name, found, OF_PAYOUTS, self._look_again)
        still_open = await queries.open_differences(self._database)
        return MatchResult(match.matched, match.open, match.captured_minor, still_open)
