"""An event loop whose time is a number: when nothing can run, it jumps to the next timer.

Which of the callbacks that could run comes next is drawn from a seed, so that another seed is
another interleaving and the same seed the same one.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from asyncio import events
from collections.abc import Callable, Coroutine
from contextvars import Context
from random import Random
from typing import Any, Final, TypeVar

from simulation.places import HERE, Life, Place

T = TypeVar("T")

_CLOSE_TRIES: Final = 50


class StuckError(Exception):
    """Nothing can run and no timer is set: everybody waits for somebody else."""


class Runaway(Exception):
    """So many steps that something must be going round in circles."""


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module. `shuffled` draws among all that is ready, else each place keeps its order."""

    def __init__(self, random: Random, *, shuffled: bool, steps_max: int) -> None:
        super().__init__()
        self._now = 0.0
        self._random = random
        self._shuffled = shuffled
        self._turn: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self._kept: list[asyncio.Task[Any]] = []
        self._steps_max = steps_max
        self.steps = 0
        self.on_error: Callable[[dict[str, Any]], None] | None = None

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._turn.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def create_task(
        self,
        coro: Any,
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name="", context=context)
        # A task of a dead place must not be collected: that would run its `finally`.
        self._kept.append(task)
        if len(self._kept) > 4_000:
            self._kept = [task for task in self._kept if not task.done()]
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self.on_error is not None:
            self.on_error(context)

    def start(self, place: Place, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a task at a place."""
        return self.create_task(work, context=place.context())

    def resume(self, place: Place) -> None:
        """Let a paused place go on."""
        place.life = Life.RUNNING
        self._turn += place.held
        place.held = []

    def run(self, work: Coroutine[Any, Any, T], place: Place) -> T:
        """Run until `work` is done. Raises what it raises, StuckError or Runaway."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            main = self.start(place, work)
            while not main.done():
                self._step()
            return main.result()
        finally:
            events._set_running_loop(before)

    def _step(self) -> None:
        self.steps += 1
        if self.steps > self._steps_max:
            raise Runaway(f"more than {self._steps_max} steps")
        turn = self._turn
        if not turn:
            self._advance()
        handle = turn.pop() if len(turn) == 1 else self._draw(turn)
        if handle._cancelled:
            return
        place = _place_of(handle)
        if place is None or place.life is Life.RUNNING:
            handle._run()
        else:
            place.held.append(handle)

    def _advance(self) -> None:
        """Jump to the next timer, and take all that are set for the same moment."""
        timers, turn = self._timers, self._turn
        while timers:
            when, _, handle = heapq.heappop(timers)
            if handle._cancelled:
                continue
            self._now = max(self._now, when)
            turn.append(handle)
            while timers and timers[0][0] <= self._now:
                turn.append(heapq.heappop(timers)[2])
            return
        raise StuckError

    def _draw(self, turn: list[asyncio.Handle]) -> asyncio.Handle:
        index = int(self._random.random() * len(turn))
        if self._shuffled:
            turn[index], turn[-1] = turn[-1], turn[index]
            return turn.pop()
        # As a real event loop does: what one process made ready first runs first.
        place = _place_of(turn[index])
        for number, handle in enumerate(turn):
            if _place_of(handle) is place:
                return turn.pop(number)
        raise AssertionError

    def end(self) -> None:
        """Throw away everything that was under way. What its `finally` does now counts nowhere."""
        self.on_error = None
        for task in self._kept:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _close(task.get_coro())
        self._kept.clear()
        self._turn.clear()
        self._timers.clear()
        self.close()


def _place_of(handle: asyncio.Handle) -> Place | None:
    context: Context = handle._context  # type: ignore[attr-defined]
    return context.get(HERE)


def _close(coroutine: Any) -> None:
    for _ in range(_CLOSE_TRIES):
        with contextlib.suppress(BaseException):
            coroutine.close()
            return
