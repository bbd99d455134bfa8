"""The far side of the sandbox: it charges, loses answers, and lies about nothing in its record.

What it answers is a `Reply`, or one of the exceptions that an HTTP client raises.
"""

from __future__ import annotations

import asyncio

import aiohttp
import msgspec

from almoner.money import Money
from almoner.payments.gateway import Charge
from almoner.payments.gateways.sandbox import reverse, rules
from almoner.payments.gateways.sandbox.fault_book import FaultBook
from almoner.payments.gateways.sandbox.faults import STRIKES, Fault, FaultKind
from almoner.payments.gateways.sandbox.record import Record
from almoner.payments.gateways.sandbox.truth import Entry, Oddity
from almoner.payments.gateways.sandbox.wire import ChargeBody, ErrorBody, Reply, ReversalBody
from almoner.platform.errors import Unavailable

_K = FaultKind


class Server:
    """Answers requests. `latency_ms` passes before a sale is answered."""

    def __init__(self, record: Record, faults: FaultBook, *, latency_ms: int) -> None:
        self._record = record
        self._faults = faults
        self._latency_s = latency_ms / 1000

    async def sale(self, charge: Charge) -> Reply:
        """Charge, or whatever the nonce or a fault has it do instead."""
        verdict = rules.decide(
            charge.instrument.nonce, charge.money, check_harder=charge.check_harder
        )
        try:
            fault = rules.FAULTS.get(charge.instrument.nonce)
            if fault is None and not self._faults.quiet:
                amount_minor = charge.money.amount_minor
                fault = await self._faults.pick("charge", charge.order_id, amount_minor)
            if fault is not None:
                return await self._odd_sale(charge, verdict, fault)
            entry = await self._record.file(charge, verdict)
        except Unavailable:
            return _error(503, "record_away")
        await asyncio.sleep(self._latency_s)
        return _told(charge, entry)

    async def _odd_sale(self, charge: Charge, verdict: rules.Verdict, fault: Fault) -> Reply:
        if reply := _before(fault):
            return reply
        if fault.kind in (_K.DECLINE, _K.LATE_SUCCESS):
            verdict = rules.DECLINED_BY_FAULT
        webhook_fault = fault.kind if "webhook" in STRIKES[fault.kind] else None
        entry = await self._record.file_odd(charge, verdict, _oddity(fault), webhook_fault)
        await asyncio.sleep(_pause_s(fault, self._latency_s))
        return _after(fault) or _told(charge, entry)

    async def find(self, order_id: str) -> Reply:
        """Tell what became of an order."""
        try:
            fault = None if self._faults.quiet else await self._faults.pick("look_up", order_id)
            if fault is not None and (reply := _before(fault)):
                return reply
            entry = await self._record.find(order_id)
        except Unavailable:
            return _error(503, "record_away")
        if fault is not None:
            await asyncio.sleep(_pause_s(fault, 0))
            if reply := _after(fault):
                return reply
        if entry is None or entry.in_flight or entry.hidden:
            return _error(404, "not_found")
        return _shown(entry)

    async def give_back(self, order_id: str, transaction: str, money: Money, key: str) -> Reply:
        """Void or refund a charge."""
        try:
            fault = None
            if not self._faults.quiet:
                fault = await self._faults.pick("reverse", order_id, money.amount_minor)
            if fault is not None and (reply := _before(fault)):
                return reply
            done = await self._record.reverse(order_id, transaction, money, key)
        except Unavailable:
            return _error(503, "record_away")
        if fault is not None:
            await asyncio.sleep(_pause_s(fault, 0))
            if reply := _after(fault):
                return reply
        return _reversal(done)


_PAUSES = frozenset({_K.SLOW, _K.ANSWER_LATE, _K.LOST_TIMEOUT})


def _before(fault: Fault) -> Reply | None:
    """What goes wrong before anything is done; None is nothing. Raises as an HTTP client does."""
    if fault.kind is _K.NOT_SENT:
        raise ConnectionRefusedError("the sandbox was told not to be there")
    if fault.kind is _K.IN_FLIGHT and fault.takes_ms:
        return None  # truly in flight: it is done later
    if fault.kind is _K.INDEX_LAG and fault.operation == "look_up":
        return _error(404, "not_found")
    return _BEFORE.get(fault.kind)


def _pause_s(fault: Fault, latency_s: float) -> float:
    """How long the answer takes."""
    return fault.takes_ms / 1000 if fault.kind in _PAUSES and fault.takes_ms else latency_s


def _oddity(fault: Fault) -> Oddity:
    """What is odd about the charge in the record."""
    return Oddity(
        charged_in_ms=fault.takes_ms if fault.kind in (_K.LATE_CHARGE, _K.IN_FLIGHT) else None,
        found_in_ms=fault.takes_ms if fault.kind is _K.INDEX_LAG else None,
        captured_in_ms=fault.takes_ms if fault.kind is _K.LATE_SUCCESS else None,
        fails=fault.kind is _K.LATE_DECLINE,
    )


def _after(fault: Fault) -> Reply | None:
    """What becomes of the answer; None is nothing, it arrives. Raises as an HTTP client does."""
    if fault.kind in (_K.LOST_TIMEOUT, _K.LATE_CHARGE):
        raise aiohttp.SocketTimeoutError("the sandbox was told not to answer")
    if fault.kind in (_K.LOST_RESET, _K.INDEX_LAG):
        raise aiohttp.ServerDisconnectedError("the sandbox was told to hang up")
    return _AFTER.get(fault.kind)


def _told(charge: Charge, entry: Entry) -> Reply:
    """The answer to a sale; another sum under the same order id is refused."""
    if entry.money != charge.money:
        return _error(422, "key_used")
    if entry.in_flight:
        return _error(409, "in_flight")
    return _shown(entry)


def _shown(entry: Entry) -> Reply:
    body = ChargeBody(
        entry.transaction_id,
        entry.state,
        entry.verdict.gateway_code,
        entry.verdict.decline_code,
        entry.money.amount_minor,
        entry.money.currency,
    )
    return Reply(200, msgspec.json.encode(body))


def _reversal(done: reverse.Reversed) -> Reply:
    if done.kind is None:
        return _error(404 if done.code == "not_found" else 422, done.code)
    return Reply(200, msgspec.json.encode(ReversalBody(done.kind, done.code)))


def _error(status: int, word: str) -> Reply:
    return Reply(status, msgspec.json.encode(ErrorBody(word)))


_BEFORE: dict[FaultKind, Reply] = {
    _K.DUPLICATE_OF_ANOTHER: _error(422, "duplicate"),
    _K.IN_FLIGHT: _error(409, "in_flight"),
    _K.TOO_FAST: _error(429, "too_fast"),
    _K.REFUSED: _error(401, "not_allowed"),
    _K.LOOK_UP_DOWN: Reply(503, b"<!doctype html><title>Down for maintenance</title>"),
}
"""Answered, and nothing was done."""

_AFTER: dict[FaultKind, Reply] = {
    _K.LOST_500: Reply(500, b"Internal Server Error"),
    _K.LOST_EMPTY: Reply(200, b""),
    _K.LOST_HTML: Reply(200, b"<!doctype html><title>Please wait</title>"),
    _K.DUPLICATE: _error(422, "duplicate"),
}
"""Done, and answered like this."""
