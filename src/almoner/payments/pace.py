"""A pace: so many a second in the mean, with a little room for a burst."""

from __future__ import annotations

import asyncio

from almoner.platform.clock import monotonic_s


class Pace:
    """Gives turns, at most `per_second` of them in the mean and as many at once."""

    def __init__(self, per_second: int) -> None:
        self._interval_s = 1 / per_second
        self._next_s = monotonic_s() - 1.0

    async def turn(self) -> None:
        """Wait for a turn. Turns are given in the order of asking."""
        now_s = monotonic_s()
        self._next_s = max(self._next_s + self._interval_s, now_s - 1.0)
        if self._next_s > now_s:
            await asyncio.sleep(self._next_s - now_s)
