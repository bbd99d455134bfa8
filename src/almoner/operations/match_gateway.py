"""Match our attempts with the gateway's own record, to the last cent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from msgspec import Struct

from almoner.money import Money
from almoner.operations import queries
from almoner.operations.finding import EXAMPLES_MAX, Finding
from almoner.operations.queries import AuditedAttempt
from almoner.payments.gateway import Observation, RecordedCharge, Seen
from almoner.platform.db import Database

_CAPTURED: Final = frozenset({"SUBMITTED", "SETTLED", "DISPUTED", "LATE_SUCCESS"})
_OPEN: Final = frozenset({"PREPARED", "DISPATCHED", "UNKNOWN", "REQUIRES_ACTION", "NEEDS_REVIEW"})
_NEVER_CHANGES: Final = frozenset({"another amount", "another transaction"})
_AGAIN_MAX: Final = 1000


class MatchedGateway(Protocol):
    """What the match asks of a gateway."""

    name: str

    def charges(self) -> AsyncIterator[RecordedCharge]:
        """All charges by ascending order id."""
        ...

    async def look_up(self, order_id: str) -> Observation | None:
        """What is known of one."""
        ...


class Match(Struct):
    """The result of a match. `open` are attempts in doubt: no breach, the resolver's work."""

    matched: int = 0
    open: int = 0
    captured_minor: dict[str, int] = {}


async def match_gateway(database: Database, gateway: MatchedGateway) -> tuple[Finding, Match]:
    """Compare both records. Raises DatabaseAway.

    Gifts go on meanwhile, so what looks wrong at first is looked at once more before it counts.
    """
    match = Match(captured_minor={})
    breaches: list[str] = []
    suspects: list[str] = []
    async for attempt, charge in _side_by_side(
        queries.attempts_by_order(database, gateway.name), gateway.charges()
    ):
        difference = _difference(attempt, charge)
        order_id = _order_id(attempt, charge)
        if difference is None:
            _count(match, attempt, charge)
        elif difference in _NEVER_CHANGES:
            breaches.append(f"{order_id}: {difference}")
        else:
            suspects.append(order_id)
    if suspects:
        breaches += await _look_again(database, gateway, suspects)
    return (
        Finding(
            11,
            f"matches_{gateway.name}",
            f"Our books and the record of {gateway.name} agree, charge by charge.",
            not breaches,
            len(breaches),
            breaches[:EXAMPLES_MAX],
        ),
        match,
    )


def _difference(attempt: AuditedAttempt | None, charge: RecordedCharge | None) -> str | None:
    """What is wrong with a pair; None when nothing is, or nothing can be said yet."""
    if attempt is None:
        return "at the gateway only"
    if charge is None or not charge.captured:
        return "captured here only" if attempt.state in _CAPTURED else None
    if charge.money != attempt.money:
        return "another amount"
    if attempt.state in _CAPTURED:
        same = charge.gateway_transaction_id == attempt.gateway_transaction_id
        return None if same else "another transaction"
    return None if attempt.state in _OPEN else f"captured there, {attempt.state} here"


def _count(match: Match, attempt: AuditedAttempt | None, charge: RecordedCharge | None) -> None:
    if attempt is not None and attempt.state in _OPEN:
        match.open += 1
        return
    match.matched += 1
    if charge is not None and charge.captured:
        currency = charge.money.currency
        match.captured_minor[currency] = (
            match.captured_minor.get(currency, 0) + charge.money.amount_minor
        )


async def _look_again(
    database: Database, gateway: MatchedGateway, suspects: list[str]
) -> list[str]:
    """What is still wrong after a moment. More than a thousand count without a second look."""
    await asyncio.sleep(1)
    again, breaches = suspects[:_AGAIN_MAX], suspects[_AGAIN_MAX:]
    attempts = await queries.attempts_of(database, again)
    for order_id in again:
        attempt = attempts.get(order_id)
        seen = await gateway.look_up(order_id)
        charge = _as_charge(order_id, seen, attempt)
        if (attempt or charge) and (difference := _difference(attempt, charge)):
            breaches.append(f"{order_id}: {difference}")
    return breaches


def _as_charge(
    order_id: str, seen: Observation | None, attempt: AuditedAttempt | None
) -> RecordedCharge | None:
    """A look-up as a charge. It tells no amount; that was compared in the first pass."""
    if seen is None or seen.seen is Seen.UNKNOWN:
        return None
    money = attempt.money if attempt else Money(0, "USD")
    captured = seen.seen is Seen.SUBMITTED
    return RecordedCharge(order_id, seen.gateway_transaction_id or "", money, captured)


def _order_id(attempt: AuditedAttempt | None, charge: RecordedCharge | None) -> str:
    found = attempt or charge
    return found.order_id if found else ""


async def _side_by_side(
    attempts: AsyncIterator[AuditedAttempt], charges: AsyncIterator[RecordedCharge]
) -> AsyncIterator[tuple[AuditedAttempt | None, RecordedCharge | None]]:
    """Both streams merged by order id."""
    attempt = await anext(attempts, None)
    charge = await anext(charges, None)
    while attempt is not None or charge is not None:
        if charge is None or (attempt is not None and attempt.order_id < charge.order_id):
            yield attempt, None
            attempt = await anext(attempts, None)
        elif attempt is None or charge.order_id < attempt.order_id:
            yield None, charge
            charge = await anext(charges, None)
        else:
            yield attempt, charge
            attempt = await anext(attempts, None)
            charge = await anext(charges, None)
