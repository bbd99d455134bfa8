"""A database that accepts connections and answers nothing: every wait has an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from almoner.platform.admission import Lane
from almoner.platform.db import Database, DatabaseAway, TookTooLong, Writer
from almoner.platform.errors import Overloaded
from support.installation import NewDatabase
from support.proxy import Wire

TABLE = "CREATE TABLE IF NOT EXISTS written (number int PRIMARY KEY)"


@pytest.fixture
async def wire(new_database: NewDatabase) -> AsyncIterator[Wire]:
    """A database behind a wire."""
    async with Wire(new_database()) as wire:
        yield wire


async def test_a_transaction_that_hangs_is_broken_off(wire: Wire) -> None:
    """After the writer's patience it counts as an absence; when the server is back it writes."""
    writer = Writer(wire.url, patience_ms=400)
    async with writer.transaction() as connection:
        await connection.execute(TABLE)
    wire.freeze()

    async with asyncio.timeout(2):
        with pytest.raises(DatabaseAway):
            async with writer.transaction() as connection:
                await connection.execute("INSERT INTO written VALUES (1)")

    wire.thaw()
    await _until_written(writer, 2)
    await writer.close()


async def test_a_pipeline_that_hangs_is_broken_off(wire: Wire) -> None:
    """Also while several statements are on their way."""
    writer = Writer(wire.url, patience_ms=400)
    async with writer.transaction() as connection:
        await connection.execute(TABLE)

    async def write_in_a_pipeline() -> None:
        async with writer.transaction() as connection:
            wire.freeze()
            async with connection.pipeline():
                await connection.execute("INSERT INTO written VALUES (1)")
                await connection.execute("INSERT INTO written VALUES (2)")

    async with asyncio.timeout(2):
        with pytest.raises(DatabaseAway):
            await write_in_a_pipeline()

    wire.thaw()
    await _until_written(writer, 3)
    await writer.close()


async def test_after_a_hang_the_server_is_left_alone_for_a_while(wire: Wire) -> None:
    """A connection that hangs may stay at the server: not one more with every try."""
    writer = Writer(wire.url, patience_ms=200)
    async with writer.transaction() as connection:
        await connection.execute("SELECT 1")
    wire.freeze()
    tries = 0

    async def try_on() -> None:
        nonlocal tries
        while True:
            tries += 1
            with pytest.raises(DatabaseAway):
                async with writer.transaction() as connection:
                    await connection.execute("SELECT 1")
            await asyncio.sleep(0.01)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(try_on(), 1.5)

    assert tries > 10
    assert wire.connections_made <= 3
    wire.thaw()
    await writer.close()


async def test_a_read_that_hangs_is_broken_off(wire: Wire) -> None:
    """The pool gives up the connection, and the next reader gets another."""
    database = Database(wire.url, size=1, wait_ms=300, busy_ms=200)
    await database.open()
    await database.fetch_one("SELECT 1")
    wire.freeze()

    async with asyncio.timeout(8):
        with pytest.raises(DatabaseAway):
            await database.fetch_one("SELECT 1")

    wire.thaw()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await database.fetch_one("SELECT 1 AS one") == {"one": 1}
            except DatabaseAway:
                continue
            break
    await database.close()


async def test_a_slow_statement_is_ended_by_the_server(database_url: str) -> None:
    """It is told as such, and the connection can be used again."""
    database = Database(database_url, size=1, busy_ms=200)
    await database.open()

    with pytest.raises(TookTooLong):
        await database.fetch_one("SELECT pg_sleep(10)")

    assert await database.fetch_one("SELECT 1 AS one") == {"one": 1}
    await database.close()


async def test_who_waits_for_a_lock_is_told_in_time(database_url: str) -> None:
    """Before the statement's own time is over."""
    holder, database = Writer(database_url), Database(database_url, size=1, busy_ms=400)
    await database.open()

    async with holder.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(7)")
        with pytest.raises(TookTooLong):
            async with database.transaction() as other:
                await other.execute("SELECT pg_advisory_xact_lock(7)")

    await holder.close()
    await database.close()


async def test_a_process_that_stands_still_does_not_keep_its_locks(database_url: str) -> None:
    """The server ends a transaction that is left open; the stopped one learns that it lost it."""
    stopped, other = Writer(database_url, patience_ms=300), Writer(database_url)

    async def stand_still() -> None:
        async with stopped.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(7)")
            async with asyncio.timeout(4), other.transaction() as free:
                await free.execute("SELECT pg_advisory_xact_lock(7)")
            await connection.execute("SELECT 1")

    with pytest.raises(DatabaseAway):
        await stand_still()

    await stopped.close()
    await other.close()


async def test_a_full_lane_keeps_nobody_waiting_for_a_connection(database_url: str) -> None:
    """The second reader is refused while the first is at work, and served afterwards."""
    database = Database(database_url, size=1, lane=Lane("test", at_work_max=1))
    await database.open()

    async with database.connection():
        with pytest.raises(Overloaded):
            await database.fetch_one("SELECT 1")

    assert await database.fetch_one("SELECT 1 AS one") == {"one": 1}
    await database.close()


async def test_idle_connections_of_a_server_that_went_away_fail_nobody_twice(wire: Wire) -> None:
    """Where one wire broke the others are made anew, before they fail somebody else."""
    database = Database(wire.url, size=4)
    await database.open()
    await asyncio.gather(*(database.fetch_one("SELECT pg_sleep(0.2)") for _ in range(4)))
    wire.cut()
    wire.mend()

    seen = [await database.fetch_one("SELECT 1 AS one") for _ in range(8)]
    async with database.connection() as connection:
        await connection.execute("SELECT 1")

    assert seen == [{"one": 1}] * 8
    await database.close()


async def _until_written(writer: Writer, number: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                async with writer.transaction() as connection:
                    await connection.execute(
                        "INSERT INTO written VALUES (%s) ON CONFLICT DO NOTHING", [number]
                    )
            except DatabaseAway:
                await asyncio.sleep(0.05)
                continue
            return
