"""PostgreSQL: bounded pools, transactions, and what its errors mean for a caller."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from almoner.platform.admission import Lane
from almoner.platform.errors import Unavailable
from almoner.platform.lend import Lender

Connection = AsyncConnection[DictRow]
Parameters = Sequence[Any] | Mapping[str, Any]

UNREACHABLE: Final = (psycopg.Error, PoolTimeout, OSError)
"""What may be raised when the database cannot be reached; `is_away` tells whether it was that."""

TOO_LONG: Final = (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)
"""What the server raises when it ends a statement by `statement_timeout` or `lock_timeout`."""

HANG_UP_MARGIN_S: Final = 2.0
"""How much later than the server itself a connection is broken off from here."""

HANG_PAUSE_S: Final = 0.5
HANG_PAUSE_S_MAX: Final = 30.0

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


class TookTooLong(Unavailable):
    """The database ended a statement that took too long, or waited too long for a lock."""

    def __init__(self) -> None:
        super().__init__("That took too long. Please try again in a moment.")


class Database:
    """A pool of connections to one database, in autocommit unless `transaction()` is used.

    With a `lane` nobody but its own kind of work takes connections from it. `busy_ms` bounds what
    one use of a connection may take: the server ends the statement, and should the server itself
    hang, the connection is broken off from here a little later.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int = 8,
        wait_ms: int = 5_000,
        busy_ms: int | None = None,
        lane: Lane | None = None,
    ) -> None:
        self.url = url
        self._lane = lane
        self._busy_ms = busy_ms
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=AsyncConnection[DictRow],
            min_size=1,
            max_size=size,
            timeout=wait_ms / 1000,
            max_idle=300,
            reconnect_timeout=max(1.0, wait_ms / 1000),
            open=False,
            configure=self._configure,
            kwargs={"autocommit": True, "row_factory": dict_row, "connect_timeout": 5},
        )
        self._lender = Lender(self._pool)

    async def open(self) -> None:
        """Begin to connect. Does not wait, so that a process can start while it is away."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Give all connections back to the server."""
        await self._pool.close(timeout=5)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit.

        Raises DatabaseAway when none can be had in time or it is lost, Overloaded when the lane
        is full, TookTooLong.
        """
        async with AsyncExitStack() as stack:
            if self._lane is not None:
                await stack.enter_async_context(self._lane)
            try:
                async with self._lender.lend() as connection:
                    with _hung_up_after(connection, self._patience_s):
                        yield connection
            except TOO_LONG as error:
                raise TookTooLong from error
            except UNREACHABLE as error:
                if not is_away(error):
                    raise
                await self._forget_connections(error)
                raise DatabaseAway from error

    async def _forget_connections(self, error: Exception) -> None:
        """Where one wire broke, the others that lie idle are broken too: make new ones.

        Else each of them would fail somebody, long after the server is back.
        """
        if not isinstance(error, PoolTimeout):
            with suppress(PoolClosed):
                await self._pool.drain()

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
        except DatabaseAway as away:
            if isinstance(away.__cause__, PoolTimeout):
                raise
            return await self._fetch_all(sql, parameters)

    async def fetch_one(self, sql: str, parameters: Parameters = ()) -> DictRow | None:
        """The first row of a statement that only reads, or None."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None

    def report(self) -> None:
        """Write down how full its lane is, for the metrics."""
        if self._lane is not None:
            self._lane.report()

    @property
    def _patience_s(self) -> float | None:
        return None if self._busy_ms is None else self._busy_ms / 1000 + HANG_UP_MARGIN_S

    async def _configure(self, connection: Connection) -> None:
        if self._busy_ms is not None:
            with _hung_up_after(connection, self._patience_s):
                await connection.execute(_LIMITS, _limits(self._busy_ms))

    async def _fetch_all(self, sql: str, parameters: Parameters) -> list[DictRow]:
        async with self.connection() as connection:
            cursor = await connection.execute(_statement(sql), parameters)
            return await cursor.fetchall()


_LIMITS: Final = """
    SELECT set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false),
           set_config('idle_in_transaction_session_timeout', %s, false)
"""


def _limits(busy_ms: int) -> tuple[str, str, str]:
    """What the server itself ends: a statement, its wait for a lock, a transaction left open.

    The last is for a process of ours that stands still: others wait for its locks meanwhile.
    """
    return str(busy_ms), str(max(1, busy_ms // 2)), str(busy_ms * 2)


@contextmanager
def _hung_up_after(connection: Connection, seconds: float | None) -> Iterator[None]:
    """Break the wire off when the inside takes too long, which makes whoever waits on it fail.

    Not by cancelling: psycopg would ask the server to cancel and wait for that, and a server that
    hangs answers neither. Nor would that be right, as a commit that waits for its replica and is
    cancelled stands, without being replicated.
    """
    if seconds is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(seconds, _hang_up, connection)
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(connection: Connection) -> None:
    with (
        suppress(OSError, psycopg.Error),
        socket.socket(fileno=socket.dup(connection.fileno())) as wire,
    ):
        wire.shutdown(socket.SHUT_RDWR)


_BY_INDEX: Final = """
    SELECT set_config(name, 'off', false)
    FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS name
"""
"""What a batch touches it finds by its ids. A plan that was made while the tables were empty would
read them from end to end, and a prepared statement keeps such a plan for hours."""


class Writer:
    """One connection of its own for a batcher, which writes one batch after the other.

    It connects again at once when asked again, where a pool would wait longer and longer: a
    donor waits for this. A transaction that takes longer than `patience_ms` is broken off; whether
    it was committed is then as open as after a lost connection.
    """

    def __init__(self, url: str, *, patience_ms: int = 5_000) -> None:
        self._url = url
        self._patience_ms = patience_ms
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._hung_in_a_row = 0
        self._not_before_s = 0.0

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
            loop = asyncio.get_running_loop()
            if loop.time() < self._not_before_s:
                raise DatabaseAway
            began_s = loop.time()
            try:
                connection = await self._connected()
                began_s = loop.time()
                with _hung_up_after(connection, self._patience_ms / 1000):
                    async with connection.transaction():
                        yield connection
            except UNREACHABLE as error:
                if not is_away(error):
                    raise
                await self.close()
                self._note_hang(loop.time() - began_s)
                raise DatabaseAway from error
            else:
                self._hung_in_a_row = 0
            finally:
                await self._drop_unless_idle()

    def _note_hang(self, took_s: float) -> None:
        """Wait longer and longer before connecting to a server that keeps hanging.

        A commit that waits for a replica keeps its connection at the server although we hung up:
        trying again and again would use up all that there are.
        """
        if took_s * 1000 < self._patience_ms:
            self._hung_in_a_row = 0
            return
        pause_s = min(HANG_PAUSE_S * 2**self._hung_in_a_row, HANG_PAUSE_S_MAX)
        self._hung_in_a_row += 1
        self._not_before_s = asyncio.get_running_loop().time() + pause_s

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
            with _hung_up_after(self._connection, self._patience_ms / 1000):
                await self._connection.execute(_LIMITS, _limits(self._patience_ms))
                await self._connection.execute(_BY_INDEX)
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
