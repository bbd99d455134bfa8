"""One way to a gateway: its breaker, its places, and the deadline around each call.

Sales, look-ups and reversals of a gateway each have a guard of their own, so that one that is ill
or full does not take the others with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from msgspec import Struct

from almoner.payments.breaker import Breaker, BreakerRules
from almoner.payments.bulkhead import Bulkhead, BulkheadFull
from almoner.platform.metrics import GATEWAY_IN_FLIGHT

T = TypeVar("T")

BREAKER_OPEN: Final = "breaker_open"
BUSY: Final = "gateway_busy"


class Refused(Exception):
    """Not let through; nothing was sent. `code` is BREAKER_OPEN or BUSY."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class GuardRules(Struct, frozen=True):
    """How many calls at once, how long a call waits for a place, and when to stop asking."""

    in_flight_max: int = 1_024
    wait_ms: int = 1_000
    breaker: BreakerRules = BreakerRules()


class Guard:
    """Lets calls through, or says why not. One for each gateway and operation."""

    def __init__(self, gateway: str, operation: str, rules: GuardRules) -> None:
        self.breaker = Breaker(gateway, operation, rules.breaker)
        self._bulkhead = Bulkhead(rules.in_flight_max)
        self._wait_s = rules.wait_ms / 1000
        self._in_flight = GATEWAY_IN_FLIGHT.labels(gateway, operation)

    async def call(
        self, ask: Callable[[], Awaitable[T]], deadline_at: float, is_ill: Callable[[T], bool]
    ) -> T:
        """The answer of `ask`, which must end by `deadline_at` on the loop's clock.

        Raises Refused when nothing was sent, TimeoutError when the deadline came first, and what
        `ask` raises. `is_ill` tells of an answer whether it speaks against the gateway's health;
        a deadline and an exception always do.
        """
        loop = asyncio.get_running_loop()
        if self.breaker.refuses:
            raise Refused(BREAKER_OPEN)
        try:
            await self._bulkhead.enter(max(0.0, min(self._wait_s, deadline_at - loop.time())))
        except BulkheadFull:
            raise Refused(BUSY) from None
        self._in_flight.inc()
        try:
            return await self._watched(ask, deadline_at, is_ill)
        finally:
            self._in_flight.dec()
            self._bulkhead.leave()

    async def _watched(
        self, ask: Callable[[], Awaitable[T]], deadline_at: float, is_ill: Callable[[T], bool]
    ) -> T:
        ticket = self.breaker.admit()
        if ticket is None:  # it opened while this call waited for its place
            raise Refused(BREAKER_OPEN)
        try:
            async with asyncio.timeout_at(deadline_at):
                answer = await ask()
        except asyncio.CancelledError:
            self.breaker.forget(ticket)
            raise
        except BaseException:
            self.breaker.done(ticket, ill=True)
            raise
        self.breaker.done(ticket, ill=is_ill(answer))
        return answer
