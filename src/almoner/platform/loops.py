"""Loops: work that is done again and again until the process stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from msgspec import Struct

from almoner.platform.errors import Unavailable

STOP_S: Final = 2.0

log = structlog.get_logger(__name__)


class Loop(Struct, frozen=True):
    """One kind of work. `step` tells how much there was to do; after nothing it pauses."""

    name: str
    step: Callable[[], Awaitable[int]]
    pause_s: float


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
    """A fault of one step must not end the loop, and none of another loop's may reach it."""
    while not stopping.is_set():
        try:
            done = await loop.step()
        except Unavailable:
            log.warning("loop_waits", loop=loop.name)
            done = 0
        except Exception:
            log.exception("loop_step_failed", loop=loop.name)
            done = 0
        if not done:
            await _pause(stopping, loop.pause_s)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
