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
from typing import Any, Final, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg_pool import AsyncConnectionPool

T = TypeVar("T")
Connection = AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]

_going_on: Final[set[asyncio.Task[Any]]] = set()
"""What goes on although nobody waits for it; the event loop alone would forget it."""


@asynccontextmanager
async def lend(pool: Pool) -> AsyncIterator[Connection]:
    """Like the pool's own `connection()`, and safe to be cancelled in. Raises PoolTimeout."""
    connection = await _take(pool)
    try:
        async with connection:
            yield connection
    finally:
        await asyncio.shield(_go_on(pool.putconn(connection)))


async def _take(pool: Pool) -> Connection:
    taking = _go_on(pool.getconn())
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        taking.add_done_callback(lambda taken: _give_back(pool, taken))
        raise


def _give_back(pool: Pool, taken: asyncio.Task[Connection]) -> None:
    """What came too late for whoever asked for it."""
    if not taken.cancelled() and taken.exception() is None:
        _go_on(pool.putconn(taken.result()))


def _go_on(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    task = asyncio.get_running_loop().create_task(work)
    _going_on.add(task)
    task.add_done_callback(_going_on.discard)
    return task
