"""Compare our attempts with the gateway's own record, charge by charge, to the last cent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from msgspec import Struct

from almoner.operations.match import queries
from almoner.operations.match.difference import Difference, Kind
from almoner.operations.match.note import is_attempt_id
from almoner.operations.match.queries import AuditedAttempt
from almoner.payments.gateway import Observation, RecordedCharge, Seen
from almoner.platform.db import Database

_CAPTURED: Final = frozenset({"SUBMITTED", "SETTLED", "DISPUTED", "LATE_SUCCESS"})
_OPEN: Final = frozenset(
    {"PREPARED", "DISPATCHED", "UNKNOWN", "REQUIRES_ACTION", "AUTHORIZED", "NEEDS_REVIEW"}
)
_MONEY: Final = frozenset({Seen.SUBMITTED, Seen.SETTLED, Seen.DISPUTED})
_NEVER_CHANGES: Final = frozenset({Kind.AMOUNT_DIFFERS, Kind.TRANSACTION_DIFFERS})
_AGAIN_MAX: Final = 1_000
_AGAIN_AFTER_S: Final = 1.0


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


Pair = tuple[AuditedAttempt | None, RecordedCharge | None]


async def compare_charges(
    database: Database, gateway: MatchedGateway
) -> tuple[Match, list[Difference]]:
    """Compare both records. Raises DatabaseAway.

    Gifts go on meanwhile, so what looks wrong at first is looked at once more before it counts.
    """
    match = Match(captured_minor={})
    found: list[Difference] = []
    suspects: dict[str, Pair] = {}
    last: RecordedCharge | None = None
    async for attempt, charge in _side_by_side(
        queries.attempts_by_order(database, gateway.name), gateway.charges()
    ):
        if charge is not None:
            if last is not None and charge.order_id == last.order_id:
                found += _second(last, charge)
                continue
            last = charge
        kind = _difference(attempt, charge)
        if kind is None:
            _count(match, attempt, charge)
        elif kind in _NEVER_CHANGES:
            found.append(_described(kind, attempt, charge))
        else:
            suspects[_order_id(attempt, charge)] = attempt, charge
    if suspects:
        found += await _look_again(database, gateway, suspects)
    return match, await _told_apart(database, found)


def _second(first: RecordedCharge, second: RecordedCharge) -> list[Difference]:
    """What is wrong with two charges under one order id: nothing, unless both took money."""
    if not (first.captured and second.captured):
        return []
    return [_described(Kind.CAPTURED_TWICE, None, second)]


def _difference(attempt: AuditedAttempt | None, charge: RecordedCharge | None) -> Kind | None:
    """What is wrong with a pair; None when nothing is, or nothing can be said yet.

    Nothing reaches the gateway without an attempt that survives, so a charge that is there alone is
    wrong also when it was declined.
    """
    if attempt is None:
        return Kind.GATEWAY_ONLY if charge is not None else None
    if charge is None or not charge.captured:
        return Kind.CAPTURED_HERE_ONLY if attempt.state in _CAPTURED else None
    return _of_capture(attempt, charge)


def _of_capture(attempt: AuditedAttempt, charge: RecordedCharge) -> Kind | None:
    """What is wrong with an attempt whose charge has taken money."""
    if charge.money != attempt.money:
        return Kind.AMOUNT_DIFFERS
    if attempt.state in _OPEN:
        return None
    if attempt.state not in _CAPTURED:
        return Kind.LATE_SUCCESS
    if charge.gateway_transaction_id != attempt.gateway_transaction_id:
        return Kind.TRANSACTION_DIFFERS
    settled = attempt.state != "LATE_SUCCESS"
    disputed = charge.seen is Seen.DISPUTED
    return Kind.DISPUTE_DIFFERS if settled and disputed != (attempt.state == "DISPUTED") else None


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
    database: Database, gateway: MatchedGateway, suspects: Mapping[str, Pair]
) -> list[Difference]:
    """What is still wrong after a moment. More than a thousand are not looked at twice."""
    await asyncio.sleep(_AGAIN_AFTER_S)
    found: list[Difference] = []
    ours = [UUID(order_id) for order_id in suspects if is_attempt_id(order_id)]
    attempts = await queries.attempts_of(database, ours)
    for number, (order_id, first) in enumerate(suspects.items()):
        again = number < _AGAIN_MAX
        attempt = attempts.get(order_id) if again else first[0]
        charge = await _charge_now(gateway, order_id, first) if again else first[1]
        if kind := _difference(attempt, charge):
            found.append(_described(kind, attempt, charge))
    return found


async def _charge_now(gateway: MatchedGateway, order_id: str, pair: Pair) -> RecordedCharge | None:
    """The charge as a look-up sees it now; as it was when the gateway cannot be asked.

    A look-up tells no amount; that was compared in the first pass.
    """
    attempt, charge = pair
    seen = await gateway.look_up(order_id)
    if seen is None:
        return None
    if seen.seen is Seen.UNKNOWN:
        return charge
    money = charge.money if charge else attempt.money if attempt else None
    if money is None:
        return None
    return RecordedCharge(
        order_id, seen.gateway_transaction_id or "", money, seen.seen in _MONEY, seen.seen
    )


async def _told_apart(database: Database, found: Sequence[Difference]) -> list[Difference]:
    """The same differences, told more exactly.

    Late money of a donation that is paid already is a second capture. What a rebuild after a
    restore has dealt with is no stranger, unless it holds money again.
    """
    late = [UUID(d.subject) for d in found if d.kind is Kind.LATE_SUCCESS]
    strangers = [d.subject for d in found if d.kind is Kind.GATEWAY_ONLY]
    twice = await queries.paid_otherwise(database, late) if late else set()
    known = await queries.left_alone(database, strangers) if strangers else {}
    return [
        Difference(Kind.CAPTURED_TWICE, d.subject, d.detail) if d.subject in twice else d
        for d in found
        if d.kind is not Kind.GATEWAY_ONLY
        or d.subject not in known
        or (d.detail["gateway"]["captured"] and known[d.subject] != "not_ours")
    ]


def _described(
    kind: Kind, attempt: AuditedAttempt | None, charge: RecordedCharge | None
) -> Difference:
    detail: dict[str, Any] = {}
    if attempt is not None:
        detail |= {
            "donation_id": str(attempt.donation_id),
            "state": attempt.state,
            "amount_minor": attempt.money.amount_minor,
            "currency": attempt.money.currency,
            "transaction_id": attempt.gateway_transaction_id,
        }
    if charge is not None:
        detail["gateway"] = {
            "seen": charge.seen.value,
            "captured": charge.captured,
            "amount_minor": charge.money.amount_minor,
            "currency": charge.money.currency,
            "transaction_id": charge.gateway_transaction_id,
        }
    return Difference(kind, _order_id(attempt, charge), detail)


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
