"""One attempt to charge: its states, its identity, its row. The database holds the transitions."""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from uuid import UUID

from msgspec import Struct

from almoner.money import Money
from almoner.platform.ids import IdDeriver, time_of


class AttemptState(StrEnum):
    """Where one attempt to charge stands. `docs/reference/states.md` tells what moves it."""

    PREPARED = "PREPARED"
    DISPATCHED = "DISPATCHED"
    UNKNOWN = "UNKNOWN"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    AUTHORIZED = "AUTHORIZED"
    SUBMITTED = "SUBMITTED"
    SETTLED = "SETTLED"
    SETTLEMENT_FAILED = "SETTLEMENT_FAILED"
    DISPUTED = "DISPUTED"
    DECLINED = "DECLINED"
    NOT_SENT = "NOT_SENT"
    NOT_CHARGED = "NOT_CHARGED"
    VOIDED = "VOIDED"
    EXPIRED = "EXPIRED"
    ABANDONED = "ABANDONED"
    NEEDS_REVIEW = "NEEDS_REVIEW"
    LATE_SUCCESS = "LATE_SUCCESS"


CAPTURED: Final = frozenset(
    {AttemptState.SUBMITTED, AttemptState.SETTLED, AttemptState.DISPUTED, AttemptState.LATE_SUCCESS}
)
"""States in which the gateway holds a donor's money for us."""

IN_DOUBT: Final = frozenset({AttemptState.DISPATCHED, AttemptState.UNKNOWN})
"""States in which nobody knows yet whether the gateway has charged."""

FINAL_NO: Final = frozenset(
    {
        AttemptState.DECLINED,
        AttemptState.NOT_SENT,
        AttemptState.NOT_CHARGED,
        AttemptState.VOIDED,
        AttemptState.EXPIRED,
        AttemptState.ABANDONED,
        AttemptState.SETTLEMENT_FAILED,
    }
)
"""States that say "no money". Money that is seen all the same makes LATE_SUCCESS of them."""


class Attempt(Struct, frozen=True):
    """An attempt with the stamp of the request that may send it.

    `payable_id` is what is being paid for; `number` counts the attempts for it from 1;
    `lease_owner` is the request that stamps it, and no other.
    """

    attempt_id: UUID
    donor_id: UUID
    payable_id: UUID
    number: int
    gateway: str
    money: Money
    lease_owner: UUID
    dispatched_ms: int
    merchant_account: str | None = None


class AttemptRow(Struct, frozen=True):
    """An attempt as the database has it. Times are milliseconds since 1970.

    `observed_ms` is when its present state was seen, `captured_ms` when its money was seen first;
    `looked_ms` when the last look at the gateway ended, in the future while somebody is looking.
    """

    attempt_id: UUID
    donor_id: UUID
    payable_id: UUID
    number: int
    gateway: str
    state: AttemptState
    money: Money
    version: int
    lease_owner: UUID
    lease_epoch: int
    dispatched_ms: int
    observed_ms: int | None
    gateway_transaction_id: str | None
    decline_code: str | None
    checks: int
    misses: int
    merchant_account: str | None
    captured_ms: int | None = None
    looked_ms: int | None = None
    next_check_ms: int | None = None


def attempt_id_of(ids: IdDeriver, payable_id: UUID, number: int) -> UUID:
    """The id of the n-th attempt: the same on every node, sorted beside what it pays for."""
    return ids.derive("attempt", payable_id.hex, str(number), at_ms=time_of(payable_id))
