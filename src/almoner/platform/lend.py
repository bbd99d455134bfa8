"""Lend a connection of a pool, so that whoever is cancelled meanwhile takes none of them along.

`psycopg_pool` may lose a connection when a task is cancelled just while it is handed one, or gives
one back and waits for the pool's lock. A pool that has lost all of its connections serves nobody
any more, however healthy the server is. So both go on in a task that nobody cancels; the pool's own
time-out ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg_pool import AsyncConnectionPool

T = TypeVar("T")
Connection = AsyncConnection[DictRow]


class Lender:
    """Lends the connections of one pool."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool
        # What goes on although nobody waits for it; the event loop alone would forget it.
        self._going_on: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Connection]:
        """Like the pool's own `connection()`, and safe to be cancelled in. Raises PoolTimeout."""
        connection = await self._take()
        try:
            async with connection:
                yield connection
        finally:
            await asyncio.shield(self._go_on(self._pool.putconn(connection)))

    async def _take(self) -> Connection:
        taking = self._go_on(self._pool.getconn())
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(self._give_back)
            raise

    def _give_back(self, taken: asyncio.Task[Connection]) -> None:
        """What came too late for whoever asked for it."""
        if not taken.cancelled() and taken.exception() is None:
            self._go_on(self._pool.putconn(taken.result()))

    def _go_on(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
        return task
