"""What keeps the books: seals, settlement reports, the match with the gateway."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from almoner.bootstrap.base import Base
from almoner.bootstrap.gateways import make_gateway
from almoner.bootstrap.writers import make_settlements
from almoner.donations.settle import Settling
from almoner.ledger.seal import Sealer
from almoner.operations.import_settlement import Report, SettlementImport
from almoner.operations.match_books import BooksMatch, Rhythm
from almoner.payments.due.look_again import look_again
from almoner.payments.gateways.sandbox.gateway import SandboxGateway
from almoner.payments.gateways.sandbox.read_report import read_report
from almoner.platform.db import Database, Writer
from almoner.platform.loops import Loop
from almoner.platform.settings import Settings

_DUE_EVERY_S = 20.0
_LONG_S = 6 * 3_600
_SLOW_MS: Final = 3_600_000
"""How long one statement of the match may take: it reads whole tables."""


class Books:
    """Seals the ledger, imports what was paid out, matches."""

    def __init__(self, base: Base, gateway: SandboxGateway, settling: Settling) -> None:
        given = base.settings.books
        self.gateway = gateway
        self._slow = Database(base.settings.servers.database_url, size=2, busy_ms=_SLOW_MS)
        self._seal_s = given.ledger_seal_s
        self.sealer = Sealer(base.database)
        again = partial(look_again, base.database)
        self.settlement = SettlementImport(base.database, base.ids, settling.settle, again)
        self.match = BooksMatch(
            self._slow,
            gateway,
            self.settlement,
            again,
            Rhythm(given.settlement_import_minutes, given.match_hours, given.payout_days_max),
        )

    async def open(self) -> None:
        """Begin to connect."""
        await self._slow.open()

    async def close(self) -> None:
        """Give the connections back."""
        await self._slow.close()

    def loops(self) -> list[Loop]:
        """Each at its own pace.

        Imports and matches ask often whether it is time, and one worker does it.
        """
        return [
            Loop("sealer", self.sealer.step, self._seal_s),
            Loop("settlement", self.match.import_when_due, _DUE_EVERY_S, late_after_s=_LONG_S),
            Loop("match", self.match.match_when_due, _DUE_EVERY_S, late_after_s=_LONG_S),
        ]


class Bookkeeping(Base):
    """Enough for the commands that import settlements and match."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.gateway = make_gateway(settings)
        self._writer = Writer(settings.servers.database_url)
        self._settlements = make_settlements(self, self._writer)
        self.books = Books(self, self.gateway, Settling(self.database, self._settlements))

    async def open(self) -> None:
        """See `Base.open`."""
        await super().open()
        await self.start(self.gateway, self._writer, self._settlements, self.books)


def read_settlement_report(path: Path) -> list[Report]:
    """A settlement report of the gateway in use. Raises NotAReport, or OSError."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(read_report(file))
