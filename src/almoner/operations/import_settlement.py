"""Import what a gateway paid out: each payout once, each of its lines into the books."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from almoner.operations.match.difference import OF_LINES, Difference, Kind
from almoner.operations.match.note import LookAgain, note
from almoner.operations.settlement import queries
from almoner.operations.settlement.receive import receive
from almoner.operations.settlement.work_off import Settle, work_off
from almoner.payments.gateway import Payout, SettledCharge, SettlesInBatches
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.ids import IdDeriver

LATELY_DAYS: Final = 35
"""Payouts that were paid within so many days are read again by the daily match: a report may be
corrected for some time."""

Of = Literal["new", "lately", "all"]
Report = tuple[Payout, Sequence[SettledCharge]]


class Imported(Struct, frozen=True):
    """What an import did. `waiting` lines are right and will be settled by the next import."""

    payouts: int
    payouts_known: int
    lines_settled: int
    lines_waiting: int
    differences: list[Difference]


class SettlementImport:
    """Imports settlement reports. Any number may run, any may die anywhere, in any order."""

    def __init__(
        self, database: Database, ids: IdDeriver, settle: Settle, look_again: LookAgain
    ) -> None:
        self._database = database
        self._ids = ids
        self._settle = settle
        self._look_again = look_again

    async def new(self, gateway: str, source: SettlesInBatches, *, of: Of = "new") -> Imported:
        """Ask the gateway for payouts: those behind the last one, those of late, or all.

        Raises Unavailable when the gateway or the database cannot be asked.
        """
        after = ""
        if of == "new":
            after = await queries.last_received(self._database, gateway)
        elif of == "lately":
            before_ms = now_ms() - LATELY_DAYS * 86_400_000
            after = await queries.last_paid_before(self._database, gateway, before_ms)
        return await self.given(gateway, source.payouts(after), all_of_them=of == "all")

    async def given(
        self, gateway: str, reports: AsyncIterator[Report], *, all_of_them: bool = False
    ) -> Imported:
        """Import these payouts, and work off every line that is open. Raises DatabaseAway.

        `all_of_them`: no payout of the gateway is left out, so one that had changed and is not
        found changed now is mended.
        """
        received = known = 0
        changed: list[Difference] = []
        async for payout, charges in reports:
            new = await receive(self._database, self._ids, gateway, payout, charges)
            if isinstance(new, Difference):
                changed.append(new)
            received += new is True
            known += new is not True
        done = await work_off(self._database, gateway, self._settle)
        await note(self._database, gateway, done.differences, OF_LINES, self._look_again)
        kinds = frozenset({Kind.PAYOUT_CHANGED} if all_of_them else ())
        await note(self._database, gateway, changed, kinds, self._look_again)
        return Imported(received, known, done.settled, done.waiting, [*changed, *done.differences])
