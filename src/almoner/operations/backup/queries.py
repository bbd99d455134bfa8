"""SQL of the backups."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from almoner.platform.db import Connection, Database


class Snapshot(Struct, frozen=True):
    """One moment of a database, which other connections can look at too. Times are RFC 3339."""

    name: str
    at: str
    at_ms: int
    server_version: str


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[tuple[Connection, Snapshot]]:
    """A moment of the database, for as long as it lasts. It holds up nobody who writes."""
    async with database.connection() as connection:
        await connection.execute("SET idle_in_transaction_session_timeout = 0")
        await connection.execute("SET statement_timeout = 0")
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            # The time is asked for before the snapshot is taken: what was committed by then is in.
            cursor = await connection.execute("""
                SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC',
                               'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at,
                       (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS at_ms,
                       current_setting('server_version') AS server_version,
                       pg_export_snapshot() AS name
            """)
            row = await cursor.fetchone()
            if row is None:
                raise LookupError("a SELECT without FROM gave no row")
            yield connection, Snapshot(**row)
        finally:
            await connection.execute("ROLLBACK")


async def tables(connection: Connection) -> list[str]:
    """Every table of ours; of a partitioned one the whole."""
    cursor = await connection.execute("""
        SELECT quote_ident(relname) AS name FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
          AND NOT relispartition
        ORDER BY relname
    """)
    return [row["name"] for row in await cursor.fetchall()]


async def count_rows(connection: Connection) -> dict[str, int]:
    """How many rows each table has."""
    counts: dict[str, int] = {}
    for name in await tables(connection):
        cursor = await connection.execute(f"SELECT count(*) AS rows FROM {name}".encode())
        row = await cursor.fetchone()
        counts[name] = 0 if row is None else row["rows"]
    return counts


async def ledger_heads(connection: Connection) -> dict[str, str]:
    """The newest seal of each shard of the ledger; none where nothing was sealed yet."""
    cursor = await connection.execute("SELECT to_regclass('ledger_seal') IS NOT NULL AS there")
    row = await cursor.fetchone()
    if row is None or not row["there"]:
        return {}
    cursor = await connection.execute("""
        SELECT DISTINCT ON (shard) shard, number, encode(hash, 'hex') AS hash
        FROM ledger_seal ORDER BY shard, number DESC
    """)
    return {str(row["shard"]): f"{row['number']}:{row['hash']}" for row in await cursor.fetchall()}


async def is_empty(database: Database) -> bool:
    """Whether there is no table, of anybody's, but what extensions bring."""
    row = await database.fetch_one("""
        SELECT FROM pg_class AS c
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
          AND NOT EXISTS (SELECT FROM pg_depend AS d
                          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                            AND d.deptype = 'e')
        LIMIT 1
    """)
    return row is None
