"""Late money: a gateway holds money for an attempt that had ended without. Keep it or give it back.

What the donor was told decides. Who was told "not charged" has it made true; money that nobody was
told anything about, or that was told as paid, is the gift that the donor wanted. Where the same
gift has another way to be paid, the late money is one too many.
"""

from __future__ import annotations

from typing import Literal

import structlog
from msgspec import Struct

from almoner.donations import queries
from almoner.donations.queries import Told
from almoner.payments.attempt import FINAL_NO, AttemptRow, AttemptState
from almoner.payments.due.lease import lease_late
from almoner.payments.gateway import request_key_of
from almoner.payments.history import Operation, history
from almoner.payments.latest import all_for, latest
from almoner.payments.outcome import Outcome
from almoner.payments.resolve import Follow
from almoner.payments.returns.money_return import Reason
from almoner.payments.returns.promise import is_promised, promise
from almoner.platform.clock import now_ms
from almoner.platform.db import Connection, Database
from almoner.platform.ids import new_id
from almoner.platform.metrics import LATE_MONEY

log = structlog.get_logger(__name__)

ADOPT: Literal["adopt"] = "adopt"


class Circumstances(Struct, frozen=True):
    """What the decision depends on.

    `told` is the status of the stored answer. `refused`: the request got a 503, which says that
    nothing was kept of it. `answer_expired`: there may have been an answer, so long ago that it is
    kept no more. `voided`: it had been given back before. `elsewhere`: another attempt of the same
    donation is paid or may be. `given_again`: so is a later gift alike, of the same donor.
    """

    told: int | None = None
    refused: bool = False
    answer_expired: bool = False
    voided: bool = False
    elsewhere: bool = False
    given_again: bool = False


def decide(so: Circumstances) -> Reason | Literal["adopt"]:
    """Keep the money, or why it must go back."""
    if so.elsewhere:
        return "another_attempt"
    if so.voided:
        return "voided_before"
    if so.told == 402 or so.refused or so.answer_expired:
        return "told_not_charged"
    return "given_again" if so.given_again else ADOPT


class LateMoney:
    """Decides about late money. Several may run; a lease keeps them apart."""

    def __init__(self, database: Database, follow: Follow) -> None:
        self._database = database
        self._follow = follow
        self._owner = new_id()

    async def sweep(self, limit: int = 20) -> int:
        """Decide what is due; gives how much there was."""
        late = await lease_late(self._database, self._owner, limit)
        for attempt in late:
            try:
                await self._settle(attempt)
            except Exception:
                log.exception("late_money_undecided", attempt_id=str(attempt.attempt_id))
        return len(late)

    async def _settle(self, attempt: AttemptRow) -> None:
        async with self._database.transaction() as connection:
            if await is_promised(connection, attempt):
                return  # decided: what is promised is never taken back
            decision = decide(await circumstances(connection, attempt))
            if decision != ADOPT and not await promise(
                connection, attempt, attempt.gateway_transaction_id or "", decision
            ):
                return
        if decision == ADOPT:
            await self._follow(attempt, [_adopted(attempt)])
        LATE_MONEY.labels(decision).inc()
        log.warning("late_money_decided", attempt_id=str(attempt.attempt_id), decision=decision)


async def circumstances(connection: Connection, attempt: AttemptRow) -> Circumstances:
    """What is known about an attempt whose money turned up late.

    One without a history was withdrawn by an older version, which wrote none.
    """
    told = await queries.read_told(connection, attempt.payable_id)
    told = told or Told(None, recent=False)
    attempts = await all_for(connection, attempt.payable_id, attempt.donor_id)
    alike = await queries.given_again(connection, attempt.payable_id, attempt.donor_id)
    later = await latest(connection, alike)
    before = [o for o in await history(connection, attempt.attempt_id) if not _is_late(o)]
    return Circumstances(
        told=told.response_status,
        refused=not before or any(operation.kind == "withdraw" for operation in before),
        answer_expired=told.response_status is None and not told.recent,
        voided=any(operation.outcome == AttemptState.VOIDED for operation in before),
        elsewhere=any(_may_be_paid(a) for a in attempts if a.attempt_id != attempt.attempt_id),
        given_again=any(_may_be_paid(a) for a in later.values()),
    )


def _is_late(operation: Operation) -> bool:
    return operation.outcome == AttemptState.LATE_SUCCESS


def _may_be_paid(attempt: AttemptRow) -> bool:
    """Late money of another attempt counts as well: of two, one is too many."""
    return attempt.state not in FINAL_NO


def _adopted(attempt: AttemptRow) -> Outcome:
    at_ms = now_ms()
    return Outcome(
        attempt_id=attempt.attempt_id,
        donor_id=attempt.donor_id,
        version=attempt.version,
        lease_epoch=attempt.lease_epoch,
        state=AttemptState.SUBMITTED,
        gateway_transaction_id=attempt.gateway_transaction_id,
        decline_code=None,
        operation_id=new_id(),
        operation_kind="look_up",
        request_key=request_key_of(attempt.attempt_id, "adopt"),
        gateway_code="adopted",
        started_ms=at_ms,
        finished_ms=at_ms,
        checks=attempt.checks,
        misses=attempt.misses,
    )
