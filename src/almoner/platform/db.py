"""PostgreSQL: one pool per process, transactions, and what its errors mean for a caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from almoner.platform.errors import Unavailable

Connection = AsyncConnection[DictRow]
Parameters = Sequence[Any] | Mapping[str, Any]

UNREACHABLE: Final = (psycopg.Error, PoolTimeout, OSError)
"""What may be raised when the database cannot be reached; `is_away` tells whether it was that."""

_AWAY_CLASSES: Final = ("08", "53", "57P")
_READ_ONLY: Final = "25006"


def is_away(error: Exception) -> bool:
    """Whether an error means that the database is away, and not that a statement is wrong.

    Away is: no connection, a server that shuts down or starts, a server without room for more
    (disk, memory, connections), and a standby that was the primary until now. The classes are
    those of PostgreSQL's appendix A, "Error Codes".
    """
    if not isinstance(error, psycopg.Error):
        return isinstance(error, (PoolTimeout, OSError))
    if error.sqlstate is None:
        return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    return error.sqlstate.startswith(_AWAY_CLASSES) or error.sqlstate == _READ_ONLY


class DatabaseAway(Unavailable):
    """The database cannot be reached. What was asked for has not been done."""

    def __init__(self) -> None:
        super().__init__("The database cannot be reached. Please try again in a moment.")


class Database:
    """A pool of connections to one database, in autocommit unless `transaction()` is used."""

    def __init__(self, url: str, *, size: int = 8, wait_ms: int = 5_000) -> None:
        self.url = url
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=AsyncConnection[DictRow],
            min_size=1,
            max_size=size,
            timeout=wait_ms / 1000,
            max_idle=300,
            reconnect_timeout=30,
            open=False,
            kwargs={"autocommit": True, "row_factory": dict_row, "connect_timeout": 5},
        )

    async def open(self) -> None:
        """Begin to connect. Does not wait, so that a process can start while it is away."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Give all connections back to the server."""
        await self._pool.close(timeout=5)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit. Raises DatabaseAway when none can be had in time."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except UNREACHABLE as error:
            if is_away(error):
                raise DatabaseAway from error
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction, committed at the end, rolled back by any exception.

        Raises DatabaseAway when the connection is lost. The commit may then have happened:
        only what can be repeated without harm belongs in here.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch_all(self, sql: str, parameters: Parameters = ()) -> list[DictRow]:
        """All rows of a statement that only reads; asked again once if the connection broke."""
        try:
            return await self._fetch_all(sql, parameters)
        except DatabaseAway:
            return await self._fetch_all(sql, parameters)

    async def fetch_one(self, sql: str, parameters: Parameters = ()) -> DictRow | None:
        """The first row of a statement that only reads, or None."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None

    async def _fetch_all(self, sql: str, parameters: Parameters) -> list[DictRow]:
        async with self.connection() as connection:
            cursor = await connection.execute(_statement(sql), parameters)
            return await cursor.fetchall()


BY_INDEX: Final = """
    SELECT set_config(name, 'off', false)
    FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS name
"""
"""What a batch touches it finds by its ids. A plan that was made while the tables were empty would
read them from end to end, and a prepared statement keeps such a plan for hours."""


class Writer:
    """One connection of its own for a batcher, which writes one batch after the other.

    It connects again at once when asked again, where a pool would wait longer and longer: a
    donor waits for this.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Nothing yet: the first transaction connects."""

    async def close(self) -> None:
        """Give the connection back to the server."""
        if self._connection is not None:
            await self._connection.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction, committed at the end, rolled back by any exception; one at a time.

        Raises DatabaseAway when there is no connection or it is lost. The commit may then have
        happened: only what can be repeated without harm belongs in here.
        """
        async with self._turn:
            try:
                connection = await self._connected()
                async with connection.transaction():
                    yield connection
            except UNREACHABLE as error:
                if not is_away(error):
                    raise
                await self.close()
                raise DatabaseAway from error
            finally:
                await self._drop_unless_idle()

    async def _drop_unless_idle(self) -> None:
        """Keep no connection that is left inside a transaction: its locks would stop others."""
        connection = self._connection
        if connection is None or connection.closed:
            return
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            await connection.close()

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await AsyncConnection[DictRow].connect(
                self._url, autocommit=True, row_factory=dict_row, connect_timeout=2
            )
            await self._connection.execute(BY_INDEX)
        return self._connection


async def ensure_database(url: str, *, made_from: str) -> None:
    """Make the database of `url` if its server, asked through `made_from`, has none of that name.

    Raises DatabaseAway, or psycopg.errors.InsufficientPrivilege when it is missing and may not be
    made by us.
    """
    name = psycopg.conninfo.conninfo_to_dict(url).get("dbname", "")
    try:
        async with await psycopg.AsyncConnection.connect(
            made_from, autocommit=True, connect_timeout=5
        ) as connection:
            found = await connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
            if not found.rowcount:
                await connection.execute(
                    psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(str(name)))
                )
    except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        return  # another process was first
    except UNREACHABLE as error:
        if is_away(error):
            raise DatabaseAway from error
        raise


def _statement(sql: str) -> Any:
    """Psycopg wants a LiteralString; ours are constants of the `queries` modules."""
    return sql
