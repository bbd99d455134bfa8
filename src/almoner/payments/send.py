"""Send: one charge until it is answered, proved unsent, or in doubt.

The rules, for whichever way it goes:

- only what was provably not sent is sent again, with the same order id and request key, at most
  twice, on a budget, and only as long as the donor still waits;
- "in flight" and "too fast" are asked again, with the same key, until the deadline;
- once a request of this charge may have been taken, nothing but the gateway's own word about it is
  believed: a later refused connection does not prove that nothing was charged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from msgspec import Struct

from almoner.payments.backoff import Backoff
from almoner.payments.gateway import Charge, Observation, Seen
from almoner.payments.guard import BREAKER_OPEN, BUSY, Guard, GuardRules, Refused
from almoner.payments.retry_budget import RetryBudget
from almoner.platform.metrics import GATEWAY_CALLS, GATEWAY_FAULTS, GATEWAY_RETRIES

log = structlog.get_logger(__name__)

_NEVER_AGAIN: Final = frozenset({BREAKER_OPEN, BUSY})
"""Not sent, and for a reason that sending again would make worse."""

Ask = Callable[[Charge], Awaitable[Observation]]
LookUp = Callable[[str], Awaitable[Observation | None]]


class SendRules(Struct, frozen=True):
    """`deadline_ms` is for everything; a retry begins within `retry_within_ms` or not at all.

    `pause_ms` and `pause_max_ms` bound the pauses between two requests.
    """

    deadline_ms: int = 65_000
    retries_max: int = 2
    retry_within_ms: int = 12_000
    pause_ms: int = 500
    pause_max_ms: int = 20_000
    guard: GuardRules = GuardRules()


class _Course(Struct):
    """How far one charge has come; times on the loop's clock."""

    started_at: float
    deadline_at: float
    pauses: Backoff
    maybe_taken: bool = False
    retries: int = 0


def _always(_: Observation) -> bool:
    return True


class Sender:
    """Sends charges one way: straight to a gateway, or to the payments role."""

    def __init__(
        self,
        name: str,
        ask: Ask,
        rules: SendRules,
        *,
        look_up: LookUp | None = None,
        of_this_way: Callable[[Observation], bool] = _always,
    ) -> None:
        """`look_up` is asked when the gateway rejects a charge as a duplicate.

        `of_this_way` tells a failure of the way itself from one that was only passed on, and that
        somebody else has dealt with.
        """
        self._name = name
        self._ask = ask
        self._rules = rules
        self._look_up = look_up
        self._of_this_way = of_this_way
        self._guard = Guard(name, "charge", rules.guard)
        self._budget = RetryBudget()
        self._counts = {seen: GATEWAY_CALLS.labels(name, "charge", seen) for seen in Seen}

    async def send(self, charge: Charge) -> Observation:
        """SUBMITTED, DECLINED, NOT_SENT or UNKNOWN, and never an exception for the outside."""
        rules, now = self._rules, asyncio.get_running_loop().time()
        course = _Course(
            now,
            now + rules.deadline_ms / 1000,
            Backoff(least_s=rules.pause_ms / 1000, most_s=rules.pause_max_ms / 1000),
        )
        self._budget.earn()
        while True:
            observation = await self._once(charge, course)
            self._counts[observation.seen].inc()
            if not await self._again(observation, course):
                return await self._conclude(charge, observation, course)

    async def _once(self, charge: Charge, course: _Course) -> Observation:
        """One request. What we do not understand is UNKNOWN, as the charge may have happened."""
        try:
            return await self._guard.call(
                lambda: self._ask(charge), course.deadline_at, self._is_ill
            )
        except Refused as refused:
            return Observation(Seen.NOT_SENT, gateway_code=refused.code)
        except TimeoutError:
            return Observation(Seen.UNKNOWN, gateway_code="deadline")
        except Exception as error:
            log.exception("gateway_call_failed", gateway=self._name, error=type(error).__name__)
            return Observation(Seen.UNKNOWN, gateway_code=type(error).__name__)

    async def _again(self, observation: Observation, course: _Course) -> bool:
        """Whether to ask once more; waits before it says yes."""
        loop = asyncio.get_running_loop()
        if observation.seen is Seen.WAIT:
            course.maybe_taken = True
            pause_s = course.pauses.next_s()
            if loop.time() + pause_s >= course.deadline_at:
                return False
            await asyncio.sleep(pause_s)
            return True
        if not self._may_retry(observation, course):
            return False
        pause_s = course.pauses.next_s()
        latest_at = min(course.started_at + self._rules.retry_within_ms / 1000, course.deadline_at)
        if loop.time() + pause_s >= latest_at:
            return False
        if not self._budget.spend():
            GATEWAY_RETRIES.labels(self._name, "no_budget").inc()
            return False
        course.retries += 1
        GATEWAY_RETRIES.labels(self._name, "sent_again").inc()
        await asyncio.sleep(pause_s)
        return True

    def _may_retry(self, observation: Observation, course: _Course) -> bool:
        return (
            observation.seen is Seen.NOT_SENT
            and observation.gateway_code not in _NEVER_AGAIN
            and not observation.our_fault
            and self._of_this_way(observation)
            and not course.maybe_taken
            and course.retries < self._rules.retries_max
        )

    async def _conclude(
        self, charge: Charge, observation: Observation, course: _Course
    ) -> Observation:
        if observation.our_fault and self._of_this_way(observation):
            self._page(charge, observation)
        if observation.seen is Seen.DUPLICATE:
            observation = await self._first_one(charge, observation, course)
            course.maybe_taken = True
        if _proves(observation, maybe_taken=course.maybe_taken):
            return observation
        return Observation(
            Seen.UNKNOWN, gateway_code=observation.gateway_code or observation.seen.lower()
        )

    async def _first_one(
        self, charge: Charge, duplicate: Observation, course: _Course
    ) -> Observation:
        """A charge like this was taken. Only one under our own order id is ours."""
        unknown = Observation(Seen.UNKNOWN, gateway_code=duplicate.gateway_code)
        if self._look_up is None:
            return unknown
        try:
            async with asyncio.timeout_at(course.deadline_at):
                return await self._look_up(charge.order_id) or unknown
        except TimeoutError:
            return unknown

    def _is_ill(self, observation: Observation) -> bool:
        """Whether an answer speaks against the health of whoever was asked."""
        return (
            observation.seen in (Seen.NOT_SENT, Seen.UNKNOWN)
            and not observation.our_fault
            and self._of_this_way(observation)
        )

    def _page(self, charge: Charge, observation: Observation) -> None:
        code = observation.gateway_code or "unknown"
        GATEWAY_FAULTS.labels(self._name, "charge", code).inc()
        log.error(
            "gateway_refused_our_request",
            gateway=self._name,
            operation="charge",
            code=code,
            attempt_id=str(charge.attempt_id),
        )


def _proves(observation: Observation, *, maybe_taken: bool) -> bool:
    """Whether the last answer settles the charge.

    When an earlier request may have been taken, a decline must be about that very sale: one with
    a transaction. "This nonce was used" may only mean that the earlier request used it.
    """
    if observation.seen is Seen.SUBMITTED:
        return True
    if observation.seen is Seen.DECLINED:
        return not maybe_taken or observation.gateway_transaction_id is not None
    return observation.seen is Seen.NOT_SENT and not maybe_taken
