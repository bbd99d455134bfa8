"""Connections to the simulated database: what a node sees of it, and all that can go wrong.

`Writer` and `Database` of `almoner.platform.db` are the real ones; only what they get from psycopg
and its pool is replaced here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace, TracebackType
from typing import Any, Self, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolTimeout

from almoner.platform.db import Connection, Database, Writer
from simulation.places import HERE, REQUEST, Place
from simulation.store.server import Server
from simulation.store.transaction import Statement, Transaction

CONNECT_S = 2.0


class SimConnection:
    """One connection in autocommit, as psycopg gives it."""

    def __init__(self, server: Server, place: Place) -> None:
        self.server = server
        self.place = place
        self.closed = False
        self.generation = server.generation
        self.writing = False
        """Whether what it does may run into others' locks."""
        self._transaction: Transaction | None = None
        self._depth = 0

    @property
    def info(self) -> Any:
        """Its transaction status."""
        transaction = self._transaction
        status = TransactionStatus.IDLE
        if transaction is not None:
            status = TransactionStatus.INERROR if transaction.failed else TransactionStatus.INTRANS
        return SimpleNamespace(transaction_status=status)

    async def close(self) -> None:
        """Close it; the server rolls back what was open."""
        self._drop()

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[Self]:
        """Statements go one by one all the same."""
        yield self

    def transaction(self) -> Block:
        """A transaction, or a savepoint within one."""
        return Block(self)

    async def run(self, statement: Statement, *arguments: Any, **named: Any) -> Any:
        """Run one statement, in the transaction that is open or in one of its own."""
        own = self._transaction is None
        if own:
            self._begin()
        transaction = self._opened()
        try:
            if transaction.failed:
                raise psycopg.errors.InFailedSqlTransaction("current transaction is aborted")
            await self.server.statement(self, transaction)
            result = await statement(transaction, *arguments, **named)
            transaction.end_statement()
        except BaseException:
            transaction.failed = True
            if own:
                self._forget()
            raise
        for name, rows in transaction.writes.items():
            for key in rows:
                transaction.requests.setdefault((name, key), REQUEST.get())
        if own and transaction.writes:
            await self._commit()
        elif own:
            self._forget()
        return result

    def _begin(self) -> None:
        if self.closed or self.generation != self.server.generation:
            self._drop()
            raise psycopg.OperationalError("the connection is closed")
        self._transaction = self.server.store.begin(self.place)

    async def _commit(self) -> None:
        transaction = self._opened()
        if not transaction.writes:
            self._forget()
            return
        try:
            await self.server.commit(self, transaction)
        finally:
            self._transaction = None

    def _opened(self) -> Transaction:
        if self._transaction is None:
            raise psycopg.OperationalError("no transaction")
        return self._transaction

    def _forget(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            self.server.roll_back(self, transaction)

    def _drop(self) -> None:
        self.closed = True
        self._depth = 0
        self._forget()


class Block:
    """`async with connection.transaction()`."""

    def __init__(self, connection: SimConnection) -> None:
        self._connection = connection
        self._saved: dict[str, dict[Any, Any]] | None = None

    async def __aenter__(self) -> None:
        connection = self._connection
        if connection._depth == 0:
            connection._begin()
        else:
            writes = connection._opened().writes
            self._saved = {name: dict(rows) for name, rows in writes.items()}
        connection._depth += 1

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        connection = self._connection
        connection._depth = max(0, connection._depth - 1)
        transaction = connection._transaction
        if self._saved is not None:
            if kind is not None and transaction is not None:
                transaction.writes = self._saved
                transaction.failed = False
            return False
        if kind is not None or (transaction is not None and transaction.failed):
            connection._forget()
        else:
            await connection._commit()
        return False


class SimPool:
    """What a `Database` gets its connections from."""

    def __init__(self, server: Server, wait_s: float) -> None:
        self._server = server
        self._wait_s = wait_s

    async def open(self, *, wait: bool = False) -> None:
        """Nothing to do."""

    async def close(self, timeout: float = 0) -> None:  # noqa: ASYNC109 - the pool's own signature
        """Nothing to do."""

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[SimConnection]:  # noqa: ASYNC109
        """A connection that stood before, maybe broken since, or a new one."""
        server, place = self._server, HERE.get()
        if server.reachable(place) or server.draw() < 0.5:
            connection = SimConnection(server, place)
        else:
            wait_s = self._wait_s if timeout is None else timeout
            if not await server.wait_for(place, wait_s):
                raise PoolTimeout("couldn't get a connection")
            connection = SimConnection(server, place)
        try:
            yield connection
        finally:
            connection._drop()


class SimDatabase(Database):
    """The real `Database` on a simulated pool."""

    def __init__(self, server: Server, *, wait_ms: int = 5_000) -> None:
        self.url = "simulated"
        self._pool = cast("Any", SimPool(server, wait_ms / 1000))


class SimWriter(Writer):
    """The real `Writer` on simulated connections."""

    def __init__(self, server: Server) -> None:
        super().__init__("simulated")
        self._server = server

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            place = HERE.get()
            await self._server.connect(place, CONNECT_S)
            connection = SimConnection(self._server, place)
            connection.writing = True
            self._connection = cast("Any", connection)
        return cast("Any", self._connection)
