"""Look up: ask a gateway what became of an order, on a budget of its own.

Look-ups have their own breaker, their own places and a bounded pace. Charges that pile up in an
outage therefore cannot starve them, and they cannot swamp a gateway that has just come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog
from msgspec import Struct

from almoner.payments.gateway import Gateway, Observation, Seen
from almoner.payments.guard import Guard, GuardRules, Refused
from almoner.payments.pace import Pace
from almoner.platform.metrics import GATEWAY_CALLS, GATEWAY_FAULTS

log = structlog.get_logger(__name__)

CONCLUSIVE: Final = frozenset(
    {
        Seen.SUBMITTED,
        Seen.DECLINED,
        Seen.AUTHORIZED,
        Seen.SETTLED,
        Seen.SETTLEMENT_FAILED,
        Seen.VOIDED,
        Seen.DISPUTED,
    }
)
"""What a look-up can prove. Everything else a gateway might answer is UNKNOWN to whoever asks."""


class LookUpRules(Struct, frozen=True):
    """`deadline_ms` for one look-up, waiting for its turn included; `per_second` in the mean."""

    deadline_ms: int = 65_000
    per_second: int = 50
    guard: GuardRules = GuardRules(in_flight_max=16, wait_ms=60_000)


class LookingUp:
    """Looks up charges at gateways. One for each process and purpose."""

    def __init__(self, gateways: Mapping[str, Gateway], rules: LookUpRules) -> None:
        self._gateways = gateways
        self._deadline_s = rules.deadline_ms / 1000
        self._guards = {name: Guard(name, "look_up", rules.guard) for name in gateways}
        self._paces = {name: Pace(rules.per_second) for name in gateways}

    async def look_up(self, gateway_name: str, order_id: str) -> Observation | None:
        """What the gateway knows of an order id; None is a miss, which alone proves nothing.

        UNKNOWN means that the gateway could not be asked, or that its answer proves nothing; it
        is no miss. Never raises for the outside world.
        """
        gateway = self._gateways.get(gateway_name)
        if gateway is None:
            return Observation(Seen.UNKNOWN, gateway_code="gateway_not_configured")
        observation = await self._ask(gateway_name, gateway, order_id)
        seen = "MISS" if observation is None else observation.seen
        GATEWAY_CALLS.labels(gateway_name, "look_up", seen).inc()
        return observation

    def refusing(self) -> list[str]:
        """The gateways that would not even be asked now, because their breaker is open."""
        return [name for name, guard in self._guards.items() if guard.breaker.refuses]

    async def _ask(self, name: str, gateway: Gateway, order_id: str) -> Observation | None:
        deadline_at = asyncio.get_running_loop().time() + self._deadline_s
        try:
            async with asyncio.timeout_at(deadline_at):
                await self._paces[name].turn()
            observation = await self._guards[name].call(
                lambda: gateway.look_up(order_id), deadline_at, _is_ill
            )
        except Refused as refused:
            return Observation(Seen.UNKNOWN, gateway_code=refused.code)
        except TimeoutError:
            return Observation(Seen.UNKNOWN, gateway_code="deadline")
        except Exception as error:
            log.exception("look_up_failed", gateway=name, error=type(error).__name__)
            return Observation(Seen.UNKNOWN, gateway_code=type(error).__name__)
        if observation is None or observation.seen in CONCLUSIVE:
            return observation
        if observation.our_fault:
            _page(name, observation)
        return Observation(Seen.UNKNOWN, gateway_code=observation.gateway_code or observation.seen)


def _page(name: str, observation: Observation) -> None:
    """As long as look-ups are refused, no doubt ends."""
    code = observation.gateway_code or "unknown"
    GATEWAY_FAULTS.labels(name, "look_up", code).inc()
    log.error("gateway_refused_our_request", gateway=name, operation="look_up", code=code)


def _is_ill(observation: Observation | None) -> bool:
    """A gateway that could not be reached, or gave no answer that can be read."""
    return (
        observation is not None
        and observation.seen in (Seen.UNKNOWN, Seen.NOT_SENT)
        and not observation.our_fault
    )
