"""The sandbox's database: everything that is read from it or written to it, in transactions."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from almoner.money import Money
from almoner.payments.gateway import Charge, Payout, SettledCharge
from almoner.payments.gateways.sandbox import dispute, notices, reverse, settle, truth
from almoner.payments.gateways.sandbox.rules import Verdict
from almoner.payments.gateways.sandbox.schema import create_schema
from almoner.platform.batch import Batcher
from almoner.platform.db import Connection, Database, Writer, ensure_database
from almoner.platform.errors import Unavailable


class Record:
    """What the sandbox has done, durably. Every method may raise DatabaseAway."""

    def __init__(self, database_url: str, *, made_from: str, tells_captures: bool) -> None:
        """With `made_from`, a database on the same server, the sandbox's own is made if missing.

        With `tells_captures`, each captured charge is told by webhook; else only one whose answer
        may not have arrived.
        """
        self.database = Database(database_url, size=3)
        self._database_url = database_url
        self._made_from = made_from
        self._tells_captures = tells_captures
        self._writer = Writer(database_url)
        self._prepared = False
        self._batcher: Batcher[tuple[Charge, Verdict], truth.Entry] = Batcher(
            "sandbox charges", self._file, retry_for_ms=5_000
        )

    async def open(self) -> None:
        """Connect. A database that is away now may come later."""
        await self.database.open()
        await self._batcher.open()
        with contextlib.suppress(Unavailable):
            await self.prepare()

    async def close(self) -> None:
        """File what is under way, then disconnect."""
        await self._batcher.close()
        await self._writer.close()
        await self.database.close()

    async def prepare(self) -> None:
        """Make the database and its tables if this is the first time."""
        if self._prepared:
            return
        if self._made_from:
            await ensure_database(self._database_url, made_from=self._made_from)
        async with self._writer.transaction() as connection:
            if not self._prepared:
                await create_schema(connection)
        self._prepared = True

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction on tables that are there."""
        await self.prepare()
        async with self.database.transaction() as connection:
            yield connection

    async def file(self, charge: Charge, verdict: Verdict) -> truth.Entry:
        """File a charge, with others that come together. Goes on when the caller has gone."""
        return await self._batcher.submit((charge, verdict))

    async def file_odd(
        self, charge: Charge, verdict: Verdict, oddity: truth.Oddity, webhook_fault: str | None
    ) -> truth.Entry:
        """File a charge with a fault, and what is to be told of it by webhook."""
        async with self.transaction() as connection:
            entry, is_new = await truth.file_odd(connection, charge, verdict, oddity)
            if is_new and (verdict.captured or oddity.captured_in_ms is not None):
                await notices.queue(
                    connection,
                    "charge.captured",
                    [charge.order_id],
                    in_ms=oddity.charged_in_ms or oddity.captured_in_ms or 0,
                    fault=webhook_fault,
                )
        return entry

    async def find(self, order_id: str) -> truth.Entry | None:
        """What was filed under an order id, also when it is in flight or hidden."""
        await self.prepare()
        async with self.database.connection() as connection:
            return await truth.find(connection, order_id)

    async def reverse(
        self, order_id: str, transaction: str, money: Money, request_key: str
    ) -> reverse.Reversed:
        """Void or refund a charge."""
        async with self.transaction() as connection:
            return await reverse.reverse(connection, order_id, transaction, money, request_key)

    async def close_batch(self) -> list[str]:
        """Settle what was captured and pay it out; gives the ids of the payouts."""
        async with self.transaction() as connection:
            return await settle.close_batch(connection)

    async def dispute(self, transaction: str, step: dispute.Step) -> truth.Entry:
        """Take one step of a dispute. Raises CannotDispute."""
        async with self.transaction() as connection:
            return await dispute.dispute(connection, transaction, step)

    async def payouts(self, after: str) -> AsyncIterator[tuple[Payout, Sequence[SettledCharge]]]:
        """Payouts with their charges, from the one behind `after` on."""
        await self.prepare()
        async for payout in settle.payouts(self.database, after):
            yield payout

    async def entries(self) -> AsyncIterator[truth.Entry]:
        """Every charge by ascending order id."""
        await self.prepare()
        async for entry in truth.all_entries(self.database):
            yield entry

    async def _file(self, charges: Sequence[tuple[Charge, Verdict]]) -> list[truth.Entry]:
        await self.prepare()
        async with self._writer.transaction() as connection:
            entries = await truth.file_charges(connection, charges)
            if self._tells_captures:
                captured = [e.order_id for e in entries if e.state is truth.ChargeState.SUBMITTED]
                await notices.queue(connection, "charge.captured", captured)
        return entries
