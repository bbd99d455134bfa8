"""What all parts of one simulated run share: the seed, the time, the trace, the count of faults."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Final

from almoner.platform import clock
from simulation.loop import VirtualLoop
from simulation.places import HERE, Place

BEGAN_MS: Final = 1_767_225_600_000
"""2026-01-01: when each run begins."""

STEPS_MAX: Final = 400_000


class World:
    """One run. Draws from `random("name")` of different names do not disturb each other."""

    def __init__(self, seed: int, *, keep_trace: bool = False) -> None:
        self.seed = seed
        self.profile = self.random("profile")
        self.loop = VirtualLoop(
            self.random("loop"), shuffled=self.profile.random() < 0.5, steps_max=STEPS_MAX
        )
        self.loop.on_error = self._loop_error
        self.faults: Counter[str] = Counter()
        self.logged: Counter[str] = Counter()
        self.errors: list[str] = []
        self.told: list[dict[str, object]] = []
        """What the log, as a consumer of events, was told."""
        self.trace: list[str] | None = [] if keep_trace else None
        self.healed = False
        self.outside = Place("outside")
        self._digest = hashlib.blake2b(digest_size=16)
        self._bytes = self.random("bytes")

    def random(self, name: str) -> Random:
        """Random numbers of their own for one purpose."""
        return Random(f"{self.seed}/{name}")

    @property
    def now_ms(self) -> int:
        """The true time. A node's own clock may be wrong."""
        return BEGAN_MS + int(self.loop.time() * 1000)

    def note(self, what: str, *details: object) -> None:
        """Write into the trace. Details must not depend on addresses in memory."""
        line = f"{self.loop.time():.6f} {what} {details}"
        self._digest.update(line.encode())
        if self.trace is not None:
            self.trace.append(line)

    def fault(self, kind: str, *details: object) -> None:
        """Count a fault that was injected."""
        self.faults[kind] += 1
        self.note("FAULT", kind, *details)

    def digest(self) -> str:
        """The same for two runs exactly if they did the same."""
        return self._digest.hexdigest()

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        loop = self.loop
        future: asyncio.Future[None] = asyncio.Future(loop=loop)
        loop.call_later(seconds, wake, future)
        await future

    @contextmanager
    def clocks(self) -> Iterator[None]:
        """Time and randomness of `almoner.platform.clock` come from this world meanwhile."""
        sources = clock.sources
        before = dict(vars(sources))
        sources.time_ns = self._time_ns
        sources.monotonic = self.loop.time
        sources.random_bytes = self._bytes.randbytes
        sources.random = self.random("jitter")
        try:
            yield
        finally:
            vars(sources).update(before)

    def _time_ns(self) -> int:
        place = HERE.get(None)
        skew_ms = 0 if place is None else place.skew_ms
        return (BEGAN_MS + skew_ms) * 1_000_000 + int(self.loop.time() * 1e9)

    def _loop_error(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        message = str(context.get("message", ""))
        self.note("loop", message, type(error).__name__)
        if message.startswith("Exception in callback"):
            self.errors.append(f"{message}: {error!r}")


def wake(future: asyncio.Future[None]) -> None:
    """Let whoever waits on it go on."""
    if not future.done():
        future.set_result(None)
