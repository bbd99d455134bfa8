"""The sandbox's answers as a status and bytes, and what they mean: the reading side of an adapter.

Nothing here knows what the sandbox did. It reads as an adapter of a real gateway reads, through
the table of `payments/classify.py`.
"""

from __future__ import annotations

from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Struct, structs

from almoner.money import EXPONENTS, Money
from almoner.payments import classify
from almoner.payments.classify import Signal
from almoner.payments.gateway import Observation, Reversal, Seen

T = TypeVar("T", bound=Struct)


class Reply(Struct, frozen=True):
    """What came back over the wire."""

    status: int
    body: bytes


class ChargeBody(Struct, frozen=True):
    """A charge, as the sandbox tells of it. The amount is in the currency's smallest unit."""

    transaction_id: str
    state: str
    code: str
    decline_code: str | None = None
    amount_minor: int | None = None
    currency: str | None = None


class ReversalBody(Struct, frozen=True):
    """A reversal that was done."""

    kind: Literal["void", "refund"]
    code: str


class ErrorBody(Struct, frozen=True):
    """Why something was not done."""

    error: str


SEEN_OF_STATE: Final[dict[str, Seen]] = {
    "declined": Seen.DECLINED,
    "submitted": Seen.SUBMITTED,
    "settled": Seen.SETTLED,
    "settlement_failed": Seen.SETTLEMENT_FAILED,
    "voided": Seen.VOIDED,
    "refunded": Seen.VOIDED,
    "disputed": Seen.DISPUTED,
    "dispute_lost": Seen.DISPUTED,
}
"""A closed table: a state that is not in it is an answer that cannot be read."""

_SEEN_OF_ERROR: Final[dict[str, Seen]] = {
    "duplicate": Seen.DUPLICATE,
    "in_flight": Seen.WAIT,
    # Something else was taken under our own order id. Nobody may call that "not charged".
    "key_used": Seen.UNKNOWN,
}


def read_sale(reply: Reply) -> Observation:
    """What an answer to a sale says."""
    if (signal := classify.of_status(reply.status)) is not None:
        if seen := _SEEN_OF_ERROR.get(word := _error(reply)):
            return Observation(seen, gateway_code=word)
        return classify.sale(signal, f"http_{reply.status}")
    body = _read(reply, ChargeBody)
    return _charge(body) or classify.sale(Signal.LOST, "unreadable")


def read_look_up(reply: Reply) -> Observation | None:
    """What an answer to a look-up says; None is a miss.

    Only the gateway's own "not found" is one: a 404 of somebody on the way is not.
    """
    if reply.status == 404 and _error(reply) == "not_found":
        return None
    if (signal := classify.of_status(reply.status)) is not None:
        return classify.look_up(signal, f"http_{reply.status}")
    body = _read(reply, ChargeBody)
    if body is None or (seen := _charge(body)) is None:
        return classify.look_up(Signal.LOST, "unreadable")
    return structs.replace(seen, money=_money(body))


def read_reversal(reply: Reply) -> Reversal:
    """What an answer to a reversal says. Only "done" is proof."""
    if (signal := classify.of_status(reply.status)) is not None:
        return classify.reversal(signal, _error(reply) or f"http_{reply.status}")
    body = _read(reply, ReversalBody)
    if body is None:
        return classify.reversal(Signal.LOST, "unreadable")
    return Reversal(done=True, kind=body.kind, gateway_code=body.code)


def _charge(body: ChargeBody | None) -> Observation | None:
    seen = SEEN_OF_STATE.get(body.state) if body else None
    if body is None or seen is None or not body.transaction_id:
        return None
    if seen is Seen.DECLINED and not body.decline_code:
        return None
    return Observation(seen, body.transaction_id, body.decline_code, body.code)


def _money(body: ChargeBody) -> Money | None:
    if body.amount_minor is None or body.currency not in EXPONENTS:
        return None
    return Money(body.amount_minor, body.currency)


def _error(reply: Reply) -> str:
    body = _read(reply, ErrorBody)
    return body.error if body else ""


def _read(reply: Reply, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
