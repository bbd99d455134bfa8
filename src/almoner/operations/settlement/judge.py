"""Judge: what a line of a settlement report means for its attempt. A closed table of states."""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct

from almoner.operations.match.difference import Difference, Kind
from almoner.operations.settlement.queries import Line
from almoner.payments.attempt import AttemptRow
from almoner.payments.attempt import AttemptState as State


class Step(Enum):
    """What is to be done for a line that is right."""

    SETTLE = "settle"
    """Move the attempt to SETTLED, with the fee."""
    BOOK_FEE = "book_fee"
    """The attempt is settled already; only its fee is missing."""
    DONE = "done"
    """Everything that the line says is in the books."""


class Known(Struct, frozen=True):
    """What is in the books for a line's order id. `fee_minor` is what was posted, if anything.

    `paid_out` says that another line has settled it.
    """

    attempt: AttemptRow | None
    fee_minor: int | None
    paid_out: bool


ON_STATE: Final[dict[State, Step | Kind]] = {
    State.SUBMITTED: Step.SETTLE,
    State.SETTLED: Step.DONE,
    State.DISPUTED: Step.DONE,
    State.PREPARED: Kind.PAID_OUT_IN_DOUBT,
    State.DISPATCHED: Kind.PAID_OUT_IN_DOUBT,
    State.UNKNOWN: Kind.PAID_OUT_IN_DOUBT,
    State.REQUIRES_ACTION: Kind.PAID_OUT_IN_DOUBT,
    State.AUTHORIZED: Kind.PAID_OUT_IN_DOUBT,
    State.NEEDS_REVIEW: Kind.PAID_OUT_IN_DOUBT,
    State.LATE_SUCCESS: Kind.PAID_OUT_IN_DOUBT,
    State.DECLINED: Kind.PAID_OUT_UNCHARGED,
    State.NOT_SENT: Kind.PAID_OUT_UNCHARGED,
    State.NOT_CHARGED: Kind.PAID_OUT_UNCHARGED,
    State.VOIDED: Kind.PAID_OUT_UNCHARGED,
    State.EXPIRED: Kind.PAID_OUT_UNCHARGED,
    State.ABANDONED: Kind.PAID_OUT_UNCHARGED,
    State.SETTLEMENT_FAILED: Kind.PAID_OUT_UNCHARGED,
}
"""A line never moves an attempt that is not known to be captured: it is the gateway's own look-up
that tells us so, and the line waits for that."""


def judge(line: Line, known: Known) -> Step | Difference:
    """What to do about a line, or what is wrong with it."""
    attempt = known.attempt
    kind = _what_is_wrong(line, known)
    if kind is not None or attempt is None:
        return _difference(kind or Kind.PAID_OUT_UNKNOWN, line, attempt)
    verdict = ON_STATE[attempt.state]
    if isinstance(verdict, Kind):
        return _difference(verdict, line, attempt)
    if verdict is Step.DONE and line.fee_minor != (known.fee_minor or 0):
        if known.fee_minor is None:
            return Step.BOOK_FEE
        return _difference(Kind.FEE_DIFFERS, line, attempt)
    return verdict


def _what_is_wrong(line: Line, known: Known) -> Kind | None:
    attempt = known.attempt
    if attempt is None or attempt.gateway != line.gateway:
        return Kind.PAID_OUT_UNKNOWN
    if known.paid_out:
        return Kind.PAID_OUT_TWICE
    transaction = attempt.gateway_transaction_id
    if attempt.money != line.money or transaction not in (None, line.gateway_transaction_id):
        return Kind.PAID_OUT_AMOUNT_DIFFERS
    return None


def _difference(kind: Kind, line: Line, attempt: AttemptRow | None) -> Difference:
    detail = {
        "payout_id": line.payout_id,
        "line": line.line,
        "amount_minor": line.money.amount_minor,
        "currency": line.money.currency,
        "fee_minor": line.fee_minor,
        "transaction_id": line.gateway_transaction_id,
    }
    if attempt is not None:
        detail["here"] = {
            "state": attempt.state.value,
            "amount_minor": attempt.money.amount_minor,
            "currency": attempt.money.currency,
            "transaction_id": attempt.gateway_transaction_id,
        }
    return Difference(kind, line.order_id, detail)
