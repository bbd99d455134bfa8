"""The sandbox gateway: a full adapter without network or keys, for trials, tests and benchmarks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from almoner.money import Money
from almoner.payments.gateway import (
    Charge,
    Notice,
    Observation,
    Payout,
    RecordedCharge,
    Reversal,
    Seen,
    SettledCharge,
)
from almoner.payments.gateways.sandbox import dispute, reverse, rules, settle, sign, truth
from almoner.payments.gateways.sandbox.dispute import Step
from almoner.payments.gateways.sandbox.schema import create_schema
from almoner.platform.batch import Batcher
from almoner.platform.db import Database, Writer, ensure_database
from almoner.platform.errors import Unavailable


class SandboxGateway:
    """Charges test money, durably, and answers after `latency_ms`."""

    name = "sandbox"

    def __init__(
        self, database_url: str, *, made_from: str, latency_ms: int, webhook_secret: str
    ) -> None:
        """With `made_from`, a database on the same server, the sandbox's own is made if missing."""
        self._webhook_secret = webhook_secret
        self._database_url = database_url
        self._made_from = made_from
        self._database = Database(database_url, size=3)
        self._writer = Writer(database_url)
        self._prepared = False
        self._latency_s = latency_ms / 1000
        self._batcher: Batcher[tuple[Charge, rules.Verdict], truth.Entry] = Batcher(
            "sandbox charges", self._file, retry_for_ms=5_000
        )

    async def open(self) -> None:
        """Connect. A database that is away now may come later."""
        await self._database.open()
        await self._batcher.open()
        with contextlib.suppress(Unavailable):
            await self._prepare()

    async def close(self) -> None:
        """File what is under way, then disconnect."""
        await self._batcher.close()
        await self._writer.close()
        await self._database.close()

    async def _prepare(self) -> None:
        """Make the record's database and table if this is the first time. Raises DatabaseAway."""
        if self._prepared:
            return
        if self._made_from:
            await ensure_database(self._database_url, made_from=self._made_from)
        async with self._writer.transaction() as connection:
            if not self._prepared:
                await create_schema(connection)
        self._prepared = True

    async def charge(self, charge: Charge) -> Observation:
        """See `Gateway.charge`."""
        nonce = charge.instrument.nonce
        if nonce == "fake-unreachable-nonce":
            return Observation(Seen.NOT_SENT, gateway_code="unreachable")
        verdict = rules.decide(nonce, charge.money)
        try:
            entry = await self._batcher.submit((charge, verdict))
        except Unavailable:
            return Observation(Seen.UNKNOWN, gateway_code="sandbox_database_away")
        await asyncio.sleep(rules.SLOW_MS / 1000 if nonce == "fake-slow-nonce" else self._latency_s)
        if nonce == "fake-lost-answer-nonce":
            return Observation(Seen.UNKNOWN, gateway_code="answer_lost")
        return _observed(entry)

    async def look_up(self, order_id: str) -> Observation | None:
        """See `Gateway.look_up`."""
        try:
            await self._prepare()
            async with self._database.connection() as connection:
                entry = await truth.find(connection, order_id)
        except Unavailable:
            return Observation(Seen.UNKNOWN, gateway_code="sandbox_database_away")
        if entry is None or entry.in_flight or entry.hidden:
            return None
        return _observed(entry)

    async def reverse(
        self, order_id: str, gateway_transaction_id: str, money: Money, request_key: str
    ) -> Reversal:
        """See `Reverses.reverse`."""
        try:
            await self._prepare()
            async with self._database.transaction() as connection:
                done = await reverse.reverse(
                    connection, order_id, gateway_transaction_id, money, request_key
                )
        except Unavailable:
            return Reversal(done=False, gateway_code="sandbox_database_away")
        return Reversal(done.kind is not None, done.kind, done.code)

    def payouts(self, after: str) -> AsyncIterator[tuple[Payout, Sequence[SettledCharge]]]:
        """See `SettlesInBatches.payouts`."""
        return self._payouts(after)

    async def _payouts(self, after: str) -> AsyncIterator[tuple[Payout, Sequence[SettledCharge]]]:
        await self._prepare()
        async for payout in settle.payouts(self._database, after):
            yield payout

    async def close_batch(self) -> list[str]:
        """Settle what was captured and pay it out; gives the ids of the payouts.

        Raises DatabaseAway.
        """
        await self._prepare()
        async with self._database.transaction() as connection:
            return await settle.close_batch(connection)

    async def dispute(self, transaction: str, step: Step) -> truth.Entry:
        """Take one step of a dispute. Raises CannotDispute, or DatabaseAway."""
        await self._prepare()
        async with self._database.transaction() as connection:
            return await dispute.dispute(connection, transaction, step)

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """See `Notifies.read_notice`."""
        return sign.read_notice(self._webhook_secret, body, headers)

    def charges(self) -> AsyncIterator[RecordedCharge]:
        """See `ListsCharges.charges`."""
        return self._charges()

    async def _charges(self) -> AsyncIterator[RecordedCharge]:
        await self._prepare()
        async for charge in truth.all_entries(self._database):
            yield truth.recorded(charge)

    async def _file(self, charges: Sequence[tuple[Charge, rules.Verdict]]) -> list[truth.Entry]:
        await self._prepare()
        async with self._writer.transaction() as connection:
            return await truth.file_charges(connection, charges)


def _observed(entry: truth.Entry) -> Observation:
    return Observation(
        truth.SEEN_OF[entry.state],
        entry.transaction_id,
        entry.verdict.decline_code,
        entry.verdict.gateway_code,
    )
