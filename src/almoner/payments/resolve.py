"""Resolve: find out what became of charges that have no answer, and look again where it pays.

A hit at the gateway settles an attempt. A miss proves nothing by itself: a gateway's index may lag,
and a request may still be on its way. Only a second miss, late enough, means "not charged"
(`docs/failures.md` gives the times). Charges in doubt come first; what room is left goes to those
whose state is final and that are looked at once more, by schedule or because a webhook named them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from almoner.payments.attempt import AttemptRow
from almoner.payments.due.lease import lease_to_look_up
from almoner.payments.gateway import Observation, order_id_of
from almoner.payments.judge import MissRules, judge
from almoner.payments.outcome import Outcome
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.ids import new_id
from almoner.platform.metrics import SURPRISES

log = structlog.get_logger(__name__)

Follow = Callable[[AttemptRow, Sequence[Outcome]], Awaitable[AttemptRow]]
"""Makes the moves that a judgement asks for, in order; gives the attempt as it then is."""


class Looking(Protocol):
    """Who asks the gateways. See `LookingUp`."""

    async def look_up(self, gateway_name: str, order_id: str) -> Observation | None:
        """What the gateway knows of an order id; None is a miss."""
        ...

    def refusing(self) -> list[str]:
        """The gateways that would not even be asked now."""
        ...


class Resolver:
    """Sweeps attempts that are due; several may run, a lease keeps them apart."""

    def __init__(
        self, database: Database, looking: Looking, follow: Follow, *, misses: MissRules
    ) -> None:
        self._database = database
        self._looking = looking
        self._follow = follow
        self._misses = misses
        self._owner = new_id()

    async def sweep(self, limit: int = 50) -> int:
        """Look at attempts that are due; gives how many there were.

        While a gateway would refuse to be asked its attempts stay where they are, so that an
        outage makes nobody spin, and nobody misses a turn.
        """
        due = await lease_to_look_up(self._database, self._owner, limit, self._looking.refusing())
        await asyncio.gather(*(self._resolve(attempt) for attempt in due))
        return len(due)

    async def _resolve(self, attempt: AttemptRow) -> None:
        """One attempt. A fault in it must not keep the others from being resolved."""
        try:
            started_ms = now_ms()
            observation = await self._looking.look_up(
                attempt.gateway, order_id_of(attempt.attempt_id)
            )
            judgement = judge(attempt, observation, self._misses, started_ms)
            if judgement.surprise:
                SURPRISES.labels(attempt.gateway, judgement.surprise).inc()
                log.error(
                    "unexpected_at_gateway",
                    attempt_id=str(attempt.attempt_id),
                    state=attempt.state,
                    surprise=judgement.surprise,
                )
            await self._follow(attempt, judgement.outcomes)
        except Exception:
            log.exception("resolve_failed", attempt_id=str(attempt.attempt_id))
