"""The sandbox gateway: a full adapter without network or keys, for trials, tests and benchmarks.

Both sides are here, and they speak through `wire.py` only: `server.py` charges and may be told to
lose the answer, this side reads what came back as an adapter of a real gateway would.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import aiohttp
from msgspec import Struct

from almoner.money import Money
from almoner.payments import classify
from almoner.payments.gateway import (
    Charge,
    Notice,
    Observation,
    Payout,
    RecordedCharge,
    Reversal,
    SettledCharge,
)
from almoner.payments.gateways.sandbox import sign, truth, wire
from almoner.payments.gateways.sandbox.fault_book import FaultBook
from almoner.payments.gateways.sandbox.faults import Fault
from almoner.payments.gateways.sandbox.record import Record
from almoner.payments.gateways.sandbox.server import Server

_FAILURES = (aiohttp.ClientError, OSError)
"""What a client may raise of its own accord; `classify.TRANSPORT` says what each proves."""


class SandboxRules(Struct, frozen=True):
    """How it behaves.

    `made_from` is a database on the same server: with it, the sandbox's own is made if missing.
    `by_chance` are faults that strike with a probability.
    """

    made_from: str = ""
    latency_ms: int = 0
    webhook_secret: str = ""
    tells_captures: bool = False
    by_chance: tuple[Fault, ...] = ()


class SandboxGateway:
    """Charges test money, durably."""

    name = "sandbox"

    def __init__(self, database_url: str, rules: SandboxRules) -> None:
        self.record = Record(
            database_url, made_from=rules.made_from, tells_captures=rules.tells_captures
        )
        self.faults = FaultBook(self.record.database, rules.by_chance, self.record.prepare)
        self._server = Server(self.record, self.faults, latency_ms=rules.latency_ms)
        self._webhook_secret = rules.webhook_secret

    async def open(self) -> None:
        """Connect. A database that is away now may come later."""
        await self.record.open()

    async def close(self) -> None:
        """File what is under way, then disconnect."""
        await self.record.close()

    async def charge(self, charge: Charge) -> Observation:
        """See `Gateway.charge`."""
        try:
            reply = await self._server.sale(charge)
        except _FAILURES as error:
            return classify.sale(classify.TRANSPORT.of(error), type(error).__name__)
        return wire.read_sale(reply)

    async def look_up(self, order_id: str) -> Observation | None:
        """See `Gateway.look_up`."""
        try:
            reply = await self._server.find(order_id)
        except _FAILURES as error:
            return classify.look_up(classify.TRANSPORT.of(error), type(error).__name__)
        return wire.read_look_up(reply)

    async def reverse(
        self, order_id: str, gateway_transaction_id: str, money: Money, request_key: str
    ) -> Reversal:
        """See `Reverses.reverse`."""
        try:
            reply = await self._server.give_back(
                order_id, gateway_transaction_id, money, request_key
            )
        except _FAILURES as error:
            return classify.reversal(classify.TRANSPORT.of(error), type(error).__name__)
        return wire.read_reversal(reply)

    def payouts(self, after: str) -> AsyncIterator[tuple[Payout, Sequence[SettledCharge]]]:
        """See `SettlesInBatches.payouts`."""
        return self.record.payouts(after)

    def read_notice(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """See `Notifies.read_notice`."""
        return sign.read_notice(self._webhook_secret, body, headers)

    def charges(self) -> AsyncIterator[RecordedCharge]:
        """See `ListsCharges.charges`."""
        return self._charges()

    async def _charges(self) -> AsyncIterator[RecordedCharge]:
        async for entry in self.record.entries():
            yield truth.recorded(entry)
