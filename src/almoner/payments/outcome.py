"""A move of one attempt."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from almoner.payments.attempt import AttemptState


class Outcome(Struct, frozen=True):
    """A move of one attempt, with the operation that showed it.

    It is applied only while the attempt still has this `version` and `lease_epoch`.
    """

    attempt_id: UUID
    donor_id: UUID
    version: int
    lease_epoch: int
    state: AttemptState
    gateway_transaction_id: str | None
    decline_code: str | None
    operation_id: UUID
    operation_kind: str
    request_key: str
    gateway_code: str | None
    started_ms: int
    finished_ms: int
    next_check_ms: int | None = None
    checks: int = 0
    misses: int = 0
    fee_minor: int = 0
