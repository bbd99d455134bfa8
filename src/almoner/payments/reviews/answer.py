"""Answer a proposal: approve it, as another person than its proposer, or withdraw it."""

from __future__ import annotations

from uuid import UUID

from almoner.payments.attempt import AttemptRow, AttemptState
from almoner.payments.due.schedule import next_look_ms
from almoner.payments.gateway import request_key_of
from almoner.payments.outcome import Outcome
from almoner.payments.record import current
from almoner.payments.resolve import Follow, Looking
from almoner.payments.returns.promise import promise
from almoner.payments.reviews import queries
from almoner.payments.reviews.evidence import require_captured, require_unused
from almoner.payments.reviews.proposal import Proposal, ReviewRefused, name_of, same_person
from almoner.platform.clock import now_ms
from almoner.platform.db import Connection, Database
from almoner.platform.ids import new_id


async def approve(
    database: Database, looking: Looking, follow: Follow, attempt_id: UUID, *, by: str
) -> AttemptRow:
    """Approve what is proposed about an attempt and carry it out; gives the attempt as it then is.

    "Charged" needs the gateway's word, by `looking`, and a transaction that pays nothing else. A
    refund is promised, and the worker asks the gateway for it. What was approved before and not
    carried out, because a process ended in between, is carried out now. Raises ReviewRefused, or
    DatabaseAway.
    """
    given_by = name_of(by)
    async with database.connection() as connection:
        asked, attempt = await _newest(connection, attempt_id)
    if asked.decision == "charged":
        _check(asked, attempt, given_by)
        await require_captured(looking, attempt, asked.gateway_transaction_id or "")
    async with database.transaction() as connection:
        proposal, attempt = await _newest(connection, attempt_id)
        if proposal.proposal_id != asked.proposal_id:
            raise ReviewRefused("Something else has just been proposed. Look at it again.")
        if proposal.decision == "refund" and proposal.verdict is not None:
            return attempt  # it was promised with its approval
        _check(proposal, attempt, given_by)
        if proposal.decision == "charged":
            await require_unused(connection, attempt, proposal.gateway_transaction_id or "")
        if proposal.verdict is None:
            await _approve(connection, proposal, attempt, given_by)
    if proposal.decision == "refund":
        return attempt
    released = await follow(attempt, [_outcome(attempt, proposal)])
    if released.version != attempt.version + 1 or released.state is attempt.state:
        raise ReviewRefused(f"The attempt has just changed: it is {released.state} now.")
    return released


async def withdraw_proposal(database: Database, attempt_id: UUID, *, by: str) -> Proposal:
    """Take back what is proposed about an attempt; anybody may. Raises ReviewRefused."""
    given_by = name_of(by)
    async with database.transaction() as connection:
        proposal, _ = await _newest(connection, attempt_id)
        if proposal.verdict is not None:
            raise ReviewRefused("There is nothing to withdraw.")
        if not await queries.insert_verdict(
            connection, proposal.proposal_id, "withdrawn", given_by, now_ms()
        ):
            raise ReviewRefused("Somebody has just answered it.")
    return proposal


async def _newest(connection: Connection, attempt_id: UUID) -> tuple[Proposal, AttemptRow]:
    """The newest proposal that was not withdrawn, with its attempt."""
    attempt = (await current(connection, [attempt_id])).get(attempt_id)
    if attempt is None:
        raise ReviewRefused("There is no such attempt.")
    proposals = await queries.proposals_of(connection, [attempt_id])
    for proposal in reversed(proposals):
        if proposal.verdict != "withdrawn":
            return proposal, attempt
    raise ReviewRefused("Nothing is proposed about this attempt.")


def _check(proposal: Proposal, attempt: AttemptRow, given_by: str) -> None:
    """Raise ReviewRefused for what cannot be approved, whatever the evidence."""
    if not proposal.fits(attempt):
        raise ReviewRefused(
            f"The attempt has changed since it was proposed: it is {attempt.state} now. "
            "Look at it again."
        )
    if proposal.verdict is None and same_person(given_by, proposal.proposed_by):
        raise ReviewRefused("Nobody approves what they proposed. Ask another person.")


async def _approve(
    connection: Connection, proposal: Proposal, attempt: AttemptRow, given_by: str
) -> None:
    """The verdict, and in the same commit what a refund needs."""
    if not await queries.insert_verdict(
        connection, proposal.proposal_id, "approved", given_by, now_ms()
    ):
        raise ReviewRefused("Somebody has just answered it.")
    if proposal.decision == "refund" and not await promise(
        connection, attempt, proposal.gateway_transaction_id or "", "two_captures"
    ):
        raise ReviewRefused("The attempt has just changed. Look at it again.")


def _outcome(attempt: AttemptRow, proposal: Proposal) -> Outcome:
    charged = proposal.decision == "charged"
    state = AttemptState.SUBMITTED if charged else AttemptState.NOT_CHARGED
    at_ms = now_ms()
    return Outcome(
        attempt_id=attempt.attempt_id,
        donor_id=attempt.donor_id,
        version=attempt.version,
        lease_epoch=attempt.lease_epoch,
        state=state,
        gateway_transaction_id=proposal.gateway_transaction_id,
        decline_code=None if charged else "not_charged",
        operation_id=new_id(),
        operation_kind="review",
        request_key=request_key_of(attempt.attempt_id, f"review:{proposal.proposal_id.hex}"),
        gateway_code=None,
        started_ms=proposal.proposed_ms,
        finished_ms=at_ms,
        next_check_ms=next_look_ms(state, attempt.dispatched_ms, at_ms, at_ms),
        checks=attempt.checks,
        misses=attempt.misses,
    )
