"""The differences that a match can find. A closed table: a new one must be decided."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from msgspec import Struct


class Kind(StrEnum):
    """What is different. `docs/reference/ledger.md` explains each; a test keeps the two equal."""

    GATEWAY_ONLY = "gateway_only"
    CAPTURED_TWICE = "captured_twice"
    AMOUNT_DIFFERS = "amount_differs"
    TRANSACTION_DIFFERS = "transaction_differs"
    CAPTURED_HERE_ONLY = "captured_here_only"
    LATE_SUCCESS = "late_success"
    DISPUTE_DIFFERS = "dispute_differs"
    NOT_PAID_OUT = "not_paid_out"
    PAID_OUT_UNKNOWN = "paid_out_unknown"
    PAID_OUT_TWICE = "paid_out_twice"
    PAID_OUT_UNCHARGED = "paid_out_uncharged"
    PAID_OUT_IN_DOUBT = "paid_out_in_doubt"
    PAID_OUT_AMOUNT_DIFFERS = "paid_out_amount_differs"
    FEE_DIFFERS = "fee_differs"
    PAYOUT_SUM_DIFFERS = "payout_sum_differs"
    PAYOUT_CHANGED = "payout_changed"


class Treatment(Struct, frozen=True):
    """What is done about a difference.

    `look_again`: the attempt is made due for a look-up, whose evidence may mend it. `page`:
    somebody is woken up.
    """

    look_again: bool
    page: bool


_LOOK: Final = Treatment(look_again=True, page=False)
_PAGE: Final = Treatment(look_again=False, page=True)
_BOTH: Final = Treatment(look_again=True, page=True)

TREATMENTS: Final[dict[Kind, Treatment]] = {
    Kind.GATEWAY_ONLY: _PAGE,
    Kind.CAPTURED_TWICE: _BOTH,
    Kind.AMOUNT_DIFFERS: _PAGE,
    Kind.TRANSACTION_DIFFERS: _BOTH,
    Kind.CAPTURED_HERE_ONLY: _BOTH,
    Kind.LATE_SUCCESS: _LOOK,
    Kind.DISPUTE_DIFFERS: _LOOK,
    Kind.NOT_PAID_OUT: _PAGE,
    Kind.PAID_OUT_UNKNOWN: _PAGE,
    Kind.PAID_OUT_TWICE: _PAGE,
    Kind.PAID_OUT_UNCHARGED: _LOOK,
    Kind.PAID_OUT_IN_DOUBT: _LOOK,
    Kind.PAID_OUT_AMOUNT_DIFFERS: _PAGE,
    Kind.FEE_DIFFERS: _PAGE,
    Kind.PAYOUT_SUM_DIFFERS: _PAGE,
    Kind.PAYOUT_CHANGED: _PAGE,
}

OF_CHARGES: Final = frozenset(
    {
        Kind.GATEWAY_ONLY,
        Kind.CAPTURED_TWICE,
        Kind.AMOUNT_DIFFERS,
        Kind.TRANSACTION_DIFFERS,
        Kind.CAPTURED_HERE_ONLY,
        Kind.LATE_SUCCESS,
        Kind.DISPUTE_DIFFERS,
    }
)
"""What comparing attempts with the gateway's charges can find. All of it is found by every look, so
what is not found any more is mended."""

OF_LINES: Final = frozenset(
    {
        Kind.PAID_OUT_UNKNOWN,
        Kind.PAID_OUT_TWICE,
        Kind.PAID_OUT_UNCHARGED,
        Kind.PAID_OUT_IN_DOUBT,
        Kind.PAID_OUT_AMOUNT_DIFFERS,
        Kind.FEE_DIFFERS,
    }
)
"""What working off the lines of settlement reports can find."""

OF_PAYOUTS: Final = frozenset({Kind.NOT_PAID_OUT, Kind.PAYOUT_SUM_DIFFERS})
"""What comparing the books with the payouts can find."""


class Difference(Struct, frozen=True):
    """One difference.

    `subject` is an order id, or the id of a payout; `detail` has no person's data.
    """

    kind: Kind
    subject: str
    detail: dict[str, Any] = {}
