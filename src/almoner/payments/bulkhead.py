"""A bulkhead: so many calls at once, and a short wait for a place.

A gateway that answers slowly then fills its own places only, not the memory of the process.
"""

from __future__ import annotations

import asyncio
from collections import deque


class BulkheadFull(Exception):
    """No place came free in time."""


class Bulkhead:
    """Places for `places` calls. Who waits gets one in the order of coming."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, wait_s: float) -> None:
        """Take a place. Raises BulkheadFull when none came free within `wait_s` seconds."""
        if self._free:
            self._free -= 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(wait_s):
                await place
        except TimeoutError:
            self._give_up(place)
            raise BulkheadFull from None
        except BaseException:
            self._give_up(place)
            raise

    def leave(self) -> None:
        """Give a place back; whoever waits longest has it."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    def _give_up(self, place: asyncio.Future[None]) -> None:
        """A place that was handed over in the very instant of giving up must not be lost."""
        if place.done() and not place.cancelled():
            self.leave()
        else:
            place.cancel()
