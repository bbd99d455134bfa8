"""Whoever is cancelled while a connection is lent or given back takes none of them along."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from almoner.platform.db import Database

SIZE = 2
ROUNDS = 120
CROWD = 60


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A small pool."""
    database = Database(database_url, size=SIZE, wait_ms=2_000)
    await database.open()
    yield database
    await database.close()


async def use(database: Database, dice: random.Random) -> None:
    """Use a connection, and break off at a moment that anything may happen in."""
    try:
        async with asyncio.timeout(dice.uniform(0, 0.004)):
            await database.fetch_all("SELECT 1")
    except TimeoutError:
        pass


async def test_a_crowd_that_breaks_off_leaves_every_connection_behind(database: Database) -> None:
    """Each round many more ask than there are connections, and most of them run out of time."""
    dice = random.Random(7)

    for _ in range(ROUNDS):
        await asyncio.gather(*(use(database, dice) for _ in range(CROWD)))

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for _ in range(SIZE):  # at once, so that all of them must be there
            group.create_task(database.fetch_all("SELECT pg_sleep(0.2)"))


async def test_who_is_cancelled_gets_out_at_once(database: Database) -> None:
    """Also while others hold all connections; and the next one need not wait for a ghost."""
    async with database.connection(), database.connection():
        waiting = asyncio.create_task(database.fetch_all("SELECT 1"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        async with asyncio.timeout(0.5):
            await asyncio.wait({waiting})
        assert waiting.cancelled()

    async with asyncio.timeout(1):
        assert await database.fetch_all("SELECT 1 AS one") == [{"one": 1}]
