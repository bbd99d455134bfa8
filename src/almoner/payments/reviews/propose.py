"""Propose what became of a charge in review, or that a second capture is given back."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from almoner.payments import queries as attempt_queries
from almoner.payments.attempt import CAPTURED, AttemptRow, AttemptState
from almoner.payments.record import current
from almoner.payments.reviews import queries
from almoner.payments.reviews.proposal import Decision, Proposal, ReviewRefused, name_of
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.ids import new_id

_TRANSACTION: Final = re.compile(r"[\x21-\x7e]{1,255}")
_BECAUSE_LENGTH_MAX: Final = 1_000


async def propose(
    database: Database,
    attempt_id: UUID,
    decision: Decision,
    transaction_id: str | None,
    *,
    by: str,
    because: str,
) -> Proposal:
    """Write a proposal down; nothing else changes until another person approves it.

    Raises ReviewRefused, or DatabaseAway.
    """
    proposed_by, reason = name_of(by), because.strip()
    if not reason or len(reason) > _BECAUSE_LENGTH_MAX or "\x00" in reason:
        raise ReviewRefused("Say why, so that the one who approves it can judge.")
    async with database.transaction() as connection:
        attempt = (await current(connection, [attempt_id])).get(attempt_id)
        if attempt is None:
            raise ReviewRefused("There is no such attempt.")
        _check(attempt, decision, transaction_id)
        if not await attempt_queries.lock_unchanged(connection, attempt):
            raise ReviewRefused("The attempt has just changed. Look at it again.")
        for earlier in await queries.proposals_of(connection, [attempt_id]):
            if earlier.verdict is None and earlier.fits(attempt):
                raise ReviewRefused(
                    f"{earlier.proposed_by} has proposed {earlier.decision!r} already. "
                    "Approve or withdraw that first."
                )
        proposal = Proposal(
            new_id(),
            attempt_id,
            attempt.version,
            attempt.state,
            decision,
            transaction_id,
            proposed_by,
            reason,
            now_ms(),
        )
        await queries.insert_proposal(connection, proposal, attempt.donor_id)
    return proposal


def _check(attempt: AttemptRow, decision: Decision, transaction_id: str | None) -> None:
    """Raise ReviewRefused unless the decision can be made about an attempt as it stands."""
    if transaction_id is not None and not _TRANSACTION.fullmatch(transaction_id):
        raise ReviewRefused("That is no transaction id.")
    if decision == "not_charged":
        if transaction_id is not None:
            raise ReviewRefused("What was not charged has no transaction.")
    elif transaction_id is None:
        raise ReviewRefused("Name the gateway's transaction.")
    if decision == "refund":
        _check_refund(attempt, transaction_id)
    elif attempt.state is not AttemptState.NEEDS_REVIEW:
        raise ReviewRefused(f"The attempt is {attempt.state}, not in review.")


def _check_refund(attempt: AttemptRow, transaction_id: str | None) -> None:
    if attempt.state not in CAPTURED:
        raise ReviewRefused(f"The attempt is {attempt.state}: no money of it is held.")
    own = transaction_id == attempt.gateway_transaction_id
    if own and attempt.state is not AttemptState.LATE_SUCCESS:
        raise ReviewRefused(
            "That is the transaction that pays the donation. Only a second one is given back here."
        )
