"""Report an outcome of a donation from our own payments service (`PUT /donations/{id}`)."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from almoner.donations import queries
from almoner.donations.errors import NotFoundOrNotYours
from almoner.donations.settle import Settling
from almoner.donations.show import DonationView, show
from almoner.donations.status import STATUS_OF
from almoner.payments.attempt import IN_DOUBT, AttemptRow, AttemptState
from almoner.payments.latest import latest
from almoner.payments.outcome import Outcome
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.errors import FieldError, Invalid, Problem
from almoner.platform.ids import new_id


class OutcomeReport(Struct, frozen=True, forbid_unknown_fields=True):
    """What the payments service saw. A success needs its attempt and transaction."""

    status: Literal["success", "failure"]
    attempt_id: UUID | None = None
    transaction_id: str | None = None
    error_message: str | None = None
    code: str | None = None


class NotAllowedNow(Problem):
    """The donation is in a state from which the report does not lead on."""

    def __init__(self, status: str) -> None:
        super().__init__(
            409,
            "transition_not_allowed",
            "This report does not fit the donation",
            f"The donation is {status!r}, with other evidence than this report gives.",
        )


def read_report(body: bytes) -> OutcomeReport:
    """The report in a body. Raises Invalid naming the field."""
    try:
        report = msgspec.json.decode(body, type=OutcomeReport)
    except msgspec.ValidationError as error:
        where = str(error).partition("`$.")[2].rstrip("`") or "body"
        raise Invalid([FieldError(where, "invalid", str(error).partition(" - ")[0])]) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem(400, "malformed_json", "The body cannot be read", "") from None
    if report.status == "success" and not (report.attempt_id and report.transaction_id):
        missing = "attempt_id" if not report.attempt_id else "transaction_id"
        raise Invalid([FieldError(missing, "missing", "A success names its attempt and charge.")])
    return report


async def report(
    database: Database, settling: Settling, donation_id: UUID, seen: OutcomeReport
) -> DonationView:
    """Apply a report; the same one again changes nothing.

    Raises NotFoundOrNotYours, NotAllowedNow, or DatabaseAway.
    """
    facts = await queries.read_facts(database, donation_id)
    if facts is None:
        raise NotFoundOrNotYours
    async with database.connection() as connection:
        attempts = await latest(connection, [(facts.donation_id, facts.donor_id)])
    attempt = attempts[facts.donation_id]
    if seen.attempt_id not in (None, attempt.attempt_id):
        raise Invalid([FieldError("attempt_id", "unknown", "This is not the newest attempt.")])
    if not _tells_the_same(attempt, seen):
        if attempt.state not in IN_DOUBT:
            raise NotAllowedNow(STATUS_OF[attempt.state])
        await settling.settle(attempt, _outcome(attempt, seen))
    return await show(database, donation_id)


def _tells_the_same(attempt: AttemptRow, seen: OutcomeReport) -> bool:
    if STATUS_OF[attempt.state] != seen.status:
        return False
    return seen.status == "failure" or attempt.gateway_transaction_id == seen.transaction_id


def _outcome(attempt: AttemptRow, seen: OutcomeReport) -> Outcome:
    success = seen.status == "success"
    at_ms = now_ms()
    return Outcome(
        attempt_id=attempt.attempt_id,
        donor_id=attempt.donor_id,
        version=attempt.version,
        lease_epoch=attempt.lease_epoch,
        state=AttemptState.SUBMITTED if success else AttemptState.DECLINED,
        gateway_transaction_id=seen.transaction_id,
        decline_code=None if success else "card_declined",
        operation_id=new_id(),
        operation_kind="report",
        request_key=f"{attempt.attempt_id.hex}:report",
        gateway_code=seen.code,
        started_ms=at_ms,
        finished_ms=at_ms,
    )
