"""A writer's connection: one transaction at a time, and none left open."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from almoner.platform.db import DatabaseAway, Writer

LOCK = "SELECT pg_advisory_xact_lock(4711)"
OPEN = """
    SELECT count(*) AS count FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%'
"""


async def test_many_tasks_take_turns_on_one_connection(database_url: str) -> None:
    """Twenty at once: each has its own transaction, and nothing stays open behind them."""
    writer, inside, most = Writer(database_url), 0, 0

    async def write() -> None:
        nonlocal inside, most
        async with writer.transaction() as connection:
            inside += 1
            most = max(most, inside)
            await connection.execute(LOCK)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(write() for _ in range(20)))

    assert most == 1
    async with writer.transaction() as connection:
        row = await (await connection.execute(OPEN)).fetchone()
    await writer.close()
    assert row == {"count": 0}


async def test_a_task_that_is_cancelled_inside_leaves_no_lock_behind(database_url: str) -> None:
    """Whatever state the connection is left in, the next writer gets the lock."""
    writer, other = Writer(database_url), Writer(database_url)

    async def hold() -> None:
        async with writer.transaction() as connection:
            await connection.execute(LOCK)
            await connection.execute("SELECT pg_sleep(30)")

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0.3)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)

    async with asyncio.timeout(5), other.transaction() as connection:
        await connection.execute(LOCK)
    async with asyncio.timeout(5), writer.transaction() as connection:
        await connection.execute(LOCK)
    await writer.close()
    await other.close()


async def test_a_wrong_statement_is_not_an_absence(database_url: str) -> None:
    """The database's refusal is passed on, and the writer goes on."""
    writer = Writer(database_url)

    with pytest.raises(psycopg.errors.DivisionByZero):
        async with writer.transaction() as connection:
            await connection.execute("SELECT 1 / 0")

    async with writer.transaction() as connection:
        await connection.execute("SELECT 1")
    await writer.close()


async def test_a_server_that_is_not_there_is_an_absence(unused_tcp_port: int) -> None:
    """Nothing was done."""
    writer = Writer(f"postgresql://127.0.0.1:{unused_tcp_port}/x")

    with pytest.raises(DatabaseAway):
        async with writer.transaction():
            raise AssertionError("there is no connection to work on")
