"""Resolve: find out what became of charges that have no answer.

A hit at the gateway settles an attempt. A miss proves nothing by itself: a gateway's index may lag,
and a request may still be on its way. Only a second miss, late enough, means "not charged"
(`docs/failures.md` gives the times).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from msgspec import Struct

from almoner.payments import queries
from almoner.payments.attempt import AttemptRow, AttemptState
from almoner.payments.gateway import Gateway, Observation, Seen, order_id_of, request_key_of
from almoner.payments.outcome import Outcome
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.ids import new_id

log = structlog.get_logger(__name__)

SCHEDULE_S: Final = (5, 15, 65, 120, 300, 900, 3_600, 21_600, 86_400)
"""When an attempt is looked up, in seconds after its dispatch; then once a day."""

GIVE_UP_AFTER_MS: Final = 7 * 86_400_000
_LEASE_MS: Final = 90_000
"""Longer than any look-up may take, so that nobody looks at the same attempt meanwhile."""

Settle = Callable[[AttemptRow, Outcome], Awaitable[object]]


class MissRules(Struct, frozen=True):
    """From which age of a charge a first, and a second, missed look-up counts."""

    first_ms: int = 120_000
    second_ms: int = 900_000


class Resolver:
    """Sweeps attempts in doubt; several may run, a lease keeps them apart."""

    def __init__(
        self,
        database: Database,
        gateways: dict[str, Gateway],
        settle: Settle,
        *,
        misses: MissRules,
        deadline_ms: int,
    ) -> None:
        self._database = database
        self._gateways = gateways
        self._settle = settle
        self._misses = misses
        self._deadline_s = deadline_ms / 1000
        self._owner = new_id()

    async def sweep(self, limit: int = 50) -> int:
        """Look at attempts that are due; gives how many there were."""
        async with self._database.transaction() as connection:
            due = await queries.lease_due(connection, self._owner, now_ms() + _LEASE_MS, limit)
        await asyncio.gather(*(self._resolve(attempt) for attempt in due))
        return len(due)

    async def _resolve(self, attempt: AttemptRow) -> None:
        """One attempt. A fault in it must not keep the others from being resolved."""
        try:
            started_ms = now_ms()
            observation = await self._look_up(attempt)
            outcome = judge(attempt, observation, self._misses, started_ms)
            await self._settle(attempt, outcome)
        except Exception:
            log.exception("resolve_failed", attempt_id=str(attempt.attempt_id))

    async def _look_up(self, attempt: AttemptRow) -> Observation | None:
        gateway = self._gateways.get(attempt.gateway)
        if gateway is None:
            return Observation(Seen.UNKNOWN, gateway_code="gateway_not_configured")
        try:
            async with asyncio.timeout(self._deadline_s):
                return await gateway.look_up(order_id_of(attempt.attempt_id))
        except TimeoutError:
            return Observation(Seen.UNKNOWN, gateway_code="deadline")


def judge(
    attempt: AttemptRow, observation: Observation | None, rules: MissRules, started_ms: int
) -> Outcome:
    """What a look-up means for an attempt in doubt."""
    at_ms = now_ms()
    age_ms = at_ms - attempt.dispatched_ms
    misses = attempt.misses
    if observation is None:
        state, misses = _after_miss(attempt, age_ms, rules)
    elif observation.seen is Seen.SUBMITTED:
        state = AttemptState.SUBMITTED
    elif observation.seen is Seen.DECLINED:
        state = AttemptState.DECLINED
    else:
        state = AttemptState.UNKNOWN
    if state is AttemptState.UNKNOWN and age_ms > GIVE_UP_AFTER_MS:
        state = (
            AttemptState.NEEDS_REVIEW
            if attempt.state is AttemptState.UNKNOWN
            else AttemptState.UNKNOWN
        )
    seen = observation or Observation(Seen.UNKNOWN, gateway_code="not_found")
    return Outcome(
        attempt_id=attempt.attempt_id,
        donor_id=attempt.donor_id,
        version=attempt.version,
        lease_epoch=attempt.lease_epoch,
        state=state,
        gateway_transaction_id=seen.gateway_transaction_id,
        decline_code="not_charged" if state is AttemptState.NOT_CHARGED else seen.decline_code,
        operation_id=new_id(),
        operation_kind="look_up",
        request_key=request_key_of(attempt.attempt_id, f"look_up:{attempt.checks + 1}"),
        gateway_code=seen.gateway_code,
        started_ms=started_ms,
        finished_ms=at_ms,
        next_check_ms=(
            next_check_ms(attempt.dispatched_ms, at_ms) if state is AttemptState.UNKNOWN else None
        ),
        checks=min(attempt.checks + 1, 32_000),
        misses=misses,
    )


def _after_miss(attempt: AttemptRow, age_ms: int, rules: MissRules) -> tuple[AttemptState, int]:
    if age_ms >= rules.second_ms and attempt.misses and attempt.state is AttemptState.UNKNOWN:
        return AttemptState.NOT_CHARGED, attempt.misses + 1
    return AttemptState.UNKNOWN, attempt.misses + (age_ms >= rules.first_ms)


def next_check_ms(dispatched_ms: int, at_ms: int) -> int:
    """When to look again: the first time of the schedule that still lies ahead."""
    for after_s in SCHEDULE_S:
        if dispatched_ms + after_s * 1000 > at_ms:
            return dispatched_ms + after_s * 1000
    return at_ms + 86_400_000
