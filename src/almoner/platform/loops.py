"""Loops: work that is done again and again until the process stops."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from msgspec import Struct
from prometheus_client import Counter, Gauge

from almoner.platform.clock import now_ms
from almoner.platform.errors import Unavailable

STOP_S: Final = 2.0

log = structlog.get_logger(__name__)

LAST_RUN: Final = Gauge(
    "almoner_loop_last_run_timestamp",
    "When a step of a loop last ended well, in seconds since 1970.",
    ["loop"],
    multiprocess_mode="mostrecent",
)
FAILURES: Final = Counter("almoner_loop_failures", "Steps of a loop that failed.", ["loop"])


class Loop(Struct, frozen=True):
    """One kind of work. `step` tells how much there was to do; after nothing it pauses.

    `late_after_s`: a step that takes longer than this, or a next one that begins so much later than
    it should, is an alarm.
    """

    name: str
    step: Callable[[], Awaitable[int]]
    pause_s: float
    late_after_s: int = 300


class LoopReport(Struct):
    """How a loop fares in this process. Times are milliseconds since 1970.

    `ended_ms` is the end of the last step that did not fail. More than `late_after_s` after
    `began_ms` the next step should have begun.
    """

    name: str
    late_after_s: int
    began_ms: int
    ended_ms: int | None = None
    failures_in_a_row: int = 0


REPORTS: Final[dict[str, LoopReport]] = {}
"""The loops that run in this process, by name."""


async def run_loops(loops: Sequence[Loop], stopping: asyncio.Event) -> None:
    """Run all of them side by side until `stopping` is set."""
    await asyncio.gather(*(_run(loop, stopping) for loop in loops))


class Looping:
    """Loops beside other work, from `open` until `close`."""

    def __init__(self, loops: Sequence[Loop]) -> None:
        self._loops = loops
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(run_loops(self._loops, self._stopping), name="loops")

    async def close(self) -> None:
        """Let each end its step, and cut off one that takes longer than two seconds."""
        if self._task is None:
            return
        self._stopping.set()
        await asyncio.wait({self._task}, timeout=STOP_S)
        self._task.cancel()
        await asyncio.wait({self._task})


async def _run(loop: Loop, stopping: asyncio.Event) -> None:
    late_after_s = math.ceil(loop.pause_s) + loop.late_after_s
    report = REPORTS[loop.name] = LoopReport(loop.name, late_after_s, now_ms())
    try:
        while not stopping.is_set():
            if not await _step(loop, report):
                await _pause(stopping, loop.pause_s)
    finally:
        if REPORTS.get(loop.name) is report:
            del REPORTS[loop.name]


async def _step(loop: Loop, report: LoopReport) -> int:
    """A fault of one step must not end the loop, and none of another loop's may reach it."""
    report.began_ms = now_ms()
    try:
        done = await loop.step()
    except Unavailable:
        log.warning("loop_waits", loop=loop.name)
    except Exception:
        log.exception("loop_step_failed", loop=loop.name)
    else:
        report.ended_ms = now_ms()
        report.failures_in_a_row = 0
        LAST_RUN.labels(loop.name).set(report.ended_ms / 1000)
        return done
    report.failures_in_a_row += 1
    FAILURES.labels(loop.name).inc()
    return 0


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
