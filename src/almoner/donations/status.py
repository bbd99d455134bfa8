"""The public status of a donation, derived from its newest attempt. A closed table."""

from __future__ import annotations

from typing import Final, Literal

from almoner.payments.attempt import AttemptRow
from almoner.payments.attempt import AttemptState as State

Status = Literal[
    "pending", "processing", "success", "failure", "refunded", "partially_refunded", "disputed"
]

STATUS_OF: Final[dict[State, Status]] = {
    State.PREPARED: "pending",
    State.DISPATCHED: "processing",
    State.UNKNOWN: "processing",
    State.REQUIRES_ACTION: "processing",
    State.AUTHORIZED: "processing",
    State.NEEDS_REVIEW: "processing",
    State.LATE_SUCCESS: "processing",
    State.SUBMITTED: "success",
    State.SETTLED: "success",
    State.DISPUTED: "disputed",
    State.DECLINED: "failure",
    State.NOT_SENT: "failure",
    State.NOT_CHARGED: "failure",
    State.EXPIRED: "failure",
    State.ABANDONED: "failure",
    State.VOIDED: "failure",
    State.SETTLEMENT_FAILED: "failure",
}
"""`processing` stands for all that is not proved yet: it promises neither paid nor unpaid."""


def status_of(attempt: AttemptRow) -> Status:
    """What a donor reads of the newest attempt.

    One that was withdrawn unsent has no reason, and decides nothing: whoever repeats the request,
    or drains it from a journal, makes the next attempt under the same key.
    """
    if attempt.state is State.NOT_SENT and attempt.decline_code is None:
        return "pending"
    return STATUS_OF[attempt.state]
