"""The public status of a donation, derived from its newest attempt. A closed table."""

from __future__ import annotations

from typing import Final, Literal

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
