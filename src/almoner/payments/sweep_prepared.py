"""Abandon attempts that were written down and never stamped: nothing of them was sent."""

from __future__ import annotations

import structlog

from almoner.payments.attempt import AttemptRow, AttemptState
from almoner.payments.due.lease import lease_prepared
from almoner.payments.gateway import request_key_of
from almoner.payments.outcome import Outcome
from almoner.payments.resolve import Follow
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.ids import new_id

log = structlog.get_logger(__name__)


class Abandoning:
    """Gives up attempts whose time to be stamped is over. Several may run."""

    def __init__(self, database: Database, follow: Follow) -> None:
        self._database = database
        self._follow = follow
        self._owner = new_id()

    async def sweep(self, limit: int = 50) -> int:
        """Give up what is due; gives how many there were.

        Whoever was about to stamp one finds its version changed, and must not send it.
        """
        due = await lease_prepared(self._database, self._owner, limit)
        for attempt in due:
            await self._follow(attempt, [_abandoned(attempt)])
        if due:
            log.info("prepared_attempts_abandoned", count=len(due))
        return len(due)


def _abandoned(attempt: AttemptRow) -> Outcome:
    at_ms = now_ms()
    return Outcome(
        attempt_id=attempt.attempt_id,
        donor_id=attempt.donor_id,
        version=attempt.version,
        lease_epoch=attempt.lease_epoch,
        state=AttemptState.ABANDONED,
        gateway_transaction_id=None,
        decline_code="not_charged",
        operation_id=new_id(),
        operation_kind="abandon",
        request_key=request_key_of(attempt.attempt_id, "abandon"),
        gateway_code=None,
        started_ms=at_ms,
        finished_ms=at_ms,
    )
