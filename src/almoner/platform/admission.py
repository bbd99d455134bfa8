"""Admission: so many at work, so many waiting, for so long; the next one is told to come again.

Each kind of work has a lane of its own, so that a flood of one kind takes nothing from another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Final, Self

from almoner.platform.errors import Overloaded
from almoner.platform.metrics import LANE_AT_WORK, LANE_SHED, LANE_WAITING

NEVER_REFUSED: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that are answered however full everything is: whoever watches us must see us then."""


class Lane:
    """At most `at_work_max` at work, at most `waiting_max` waiting, each at most `wait_ms`.

    Whoever waits is let in in the order of coming. Used as `async with lane:`, or by `enter` and
    `leave` where the work ends elsewhere than it began.
    """

    def __init__(
        self, name: str, *, at_work_max: int, waiting_max: int = 0, wait_ms: int = 0
    ) -> None:
        self.name = name
        self._at_work_max = at_work_max
        self._waiting_max = waiting_max
        self._wait_s = wait_ms / 1000
        self._at_work = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def at_work(self) -> int:
        """How many are at work now."""
        return self._at_work

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._queue)

    async def enter(self) -> None:
        """Take a place, at once or after a wait. Raises Overloaded; nothing is held then."""
        if self._at_work < self._at_work_max:
            self._at_work += 1
            return
        if len(self._queue) >= self._waiting_max:
            raise self._refusal()
        await self._wait()

    def leave(self) -> None:
        """Give the place to whoever waits longest, or back."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._at_work -= 1

    def report(self) -> None:
        """Write down how full the lane is, for the metrics."""
        LANE_AT_WORK.labels(self.name).set(self._at_work)
        LANE_WAITING.labels(self.name).set(len(self._queue))

    async def __aenter__(self) -> Self:
        await self.enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._queue.append(turn)
        timer = loop.call_later(self._wait_s, self._give_up, turn)
        try:
            await turn
        except asyncio.CancelledError:
            # The place may have been given in the same moment in which the caller went away.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()
            elif turn in self._queue:
                self._queue.remove(turn)
            raise
        finally:
            timer.cancel()

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            self._queue.remove(turn)
            turn.set_exception(self._refusal())

    def _refusal(self) -> Overloaded:
        LANE_SHED.labels(self.name).inc()
        return Overloaded()
