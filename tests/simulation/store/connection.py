"""Connections to the simulated database, as psycopg would give them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg.pq import TransactionStatus

from simulation.places import REQUEST, Place
from simulation.store.transaction import Statement, Transaction

if TYPE_CHECKING:
    from simulation.store.server import Server


class SimConnection:
    """One connection in autocommit. `writing`: what it does may run into others' locks."""

    def __init__(self, server: Server, place: Place, *, writing: bool) -> None:
        self.server = server
        self.place = place
        self.writing = writing
        self.closed = False
        self.generation = server.generation
        self._transaction: Transaction | None = None
        self._depth = 0
        self._pending: asyncio.Future[None] | None = None

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
        self.drop()

    def hang_up(self) -> None:
        """Break the wire off: whoever waits on it fails at once."""
        self.closed = True
        waiting = self._transaction.waiting if self._transaction is not None else None
        for future in (self._pending, waiting):
            if future is not None and not future.done():
                future.set_exception(psycopg.OperationalError("the connection is lost"))

    async def execute(self, *_: object, **__: object) -> None:
        """A statement that only sets something of the session."""
        await self.server.travel(self)

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[Self]:
        """Statements go one by one all the same."""
        yield self

    def transaction(self) -> Block:
        """A transaction, or a savepoint within one."""
        return Block(self)

    async def until(self, future: asyncio.Future[None]) -> None:
        """Wait, unless the wire is broken off meanwhile."""
        self._pending = future
        try:
            await future
        finally:
            self._pending = None

    async def run(self, statement: Statement, *arguments: Any, **named: Any) -> Any:
        """Run one statement, in the transaction that is open or in one of its own."""
        own = self._transaction is None
        if own:
            self._begin()
        transaction = self._opened()
        try:
            transaction.refuse_if_failed()
            await self.server.statement(self, transaction)
            result = await statement(transaction, *arguments, **named)
            transaction.end_statement()
        except BaseException:
            transaction.failed = True
            if own:
                self._forget()
            raise
        transaction.note_request(REQUEST.get())
        if own and transaction.writes:
            await self._commit()
        elif own:
            self._forget()
        return result

    def _begin(self) -> None:
        if self.closed or self.generation != self.server.generation:
            self.drop()
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

    def drop(self) -> None:
        """End it, whatever is open."""
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
        elif kind is not None or (transaction is not None and transaction.failed):
            connection._forget()
        else:
            await connection._commit()
        return False
