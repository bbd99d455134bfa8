"""The same statements on PostgreSQL and on the store, so that both can be compared.

A side runs a scenario, an async function that asks for sessions and calls statements by name, such
as `donations.insert_records`. What it gives back, and what the tables hold afterwards, is made
comparable: times become minutes since the scenario began, and rows that have no order are sorted.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import dict_row

from almoner.platform.db import Database
from simulation.places import HERE, Place
from simulation.store.connection import SimConnection
from simulation.store.schema import CharityRow, Schema
from simulation.store.server import Ills, Server
from simulation.store.store import Store
from simulation.twins import redirected
from simulation.world import World

CHARITIES: Final = ((101, "first"), (102, "second"))
UNSEEN: Final[dict[str, frozenset[str]]] = {
    "donor": frozenset({"password_hash", "verified_at"}),
    "ledger_entry": frozenset({"entry_number"}),
}
"""Columns that the simulation leaves out, by table."""

Scenario = Callable[["Side"], Awaitable[Any]]


class Session(Protocol):
    """One connection."""

    async def call(self, statement: str, *arguments: Any) -> Any:
        """What a statement answers, comparable, or the name of its error."""
        ...

    def transaction(self) -> Any:
        """A transaction around calls; an error inside rolls it back."""
        ...


class Side(Protocol):
    """PostgreSQL or the store."""

    base_ms: int

    async def session(self) -> Session:
        """Another connection."""
        ...

    async def waits(self, task: asyncio.Task[Any]) -> bool:
        """Whether a call waits for somebody else's transaction."""
        ...


class Failed(Exception):
    """Rolls a transaction back after a statement has failed."""


class _Session:
    def __init__(self, connection: Any, database: Any, base_ms: int) -> None:
        self._connection = connection
        self._database = database
        self._base_ms = base_ms

    async def call(self, statement: str, *arguments: Any) -> Any:
        package, _, name = statement.rpartition(".")
        function = getattr(importlib.import_module(f"almoner.{package}.queries"), name)
        named: dict[str, Any] = {}
        if arguments and isinstance(arguments[-1], dict):
            *arguments, named = arguments  # type: ignore[assignment]
        first = function.__code__.co_varnames[0]
        target = self._database if _asks_database(function, first) else self._connection
        try:
            return comparable(await function(target, *arguments, **named), self._base_ms)
        except psycopg.Error as error:
            return type(error).__name__

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        try:
            async with self._connection.transaction():
                yield
        except Failed:
            return


def _asks_database(function: Any, first: str) -> bool:
    annotations = getattr(function, "__annotations__", {})
    return first == "database" or str(annotations.get(first)) == "Database"


class PostgresSide:
    """A migrated database of its own."""

    def __init__(self, url: str) -> None:
        self.base_ms = time.time_ns() // 1_000_000
        self._url = url
        self._connections: list[psycopg.AsyncConnection[Any]] = []
        self._database = Database(url)

    async def run(self, scenario: Scenario) -> tuple[Any, dict[str, list[Any]]]:
        """What it gave back, and the tables."""
        await self._database.open()
        try:
            async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as c:
                for number, name in CHARITIES:
                    await c.execute(
                        "INSERT INTO charity (charity_id, slug, name, category, country, source) "
                        "VALUES (%s, %s, %s, 'other', 'US', 'demo')",
                        (number, name, name),
                    )
            result = await scenario(self)
            return result, await self._tables()
        finally:
            for connection in self._connections:
                await connection.close()
            await self._database.close()

    async def session(self) -> Session:
        connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, row_factory=dict_row
        )
        self._connections.append(connection)
        return _Session(connection, self._database, self.base_ms)

    async def waits(self, task: asyncio.Task[Any]) -> bool:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as c:
            for _ in range(100):
                await asyncio.sleep(0.01)
                if task.done():
                    return False
                found = await c.execute(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                row = await found.fetchone()
                if row and row[0]:
                    return True
        raise AssertionError("neither done nor waiting for a lock")

    async def _tables(self) -> dict[str, list[Any]]:
        tables = {}
        async with await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, row_factory=dict_row
        ) as connection:
            for name in _simulated_tables():
                cursor = await connection.execute(f"SELECT * FROM {name}".encode())
                tables[name] = _sorted(
                    [comparable(_plain(name, row), self.base_ms) for row in await cursor.fetchall()]
                )
        return tables


class _Plain:
    """A database of one connection."""

    def __init__(self, connection: SimConnection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[SimConnection]:
        yield self._connection


class StoreSide:
    """A store of its own, in a world without faults."""

    def __init__(self, seed: int = 0) -> None:
        self._world = World(seed)
        self._world.healed = True
        self._server = Server(self._world, Ills())
        self._place = Place("sides")
        self.base_ms = self._world.now_ms
        for number, name in CHARITIES:
            self._server.store.schema.charity.replace(number, CharityRow(number, name, name))

    def run(self, scenario: Scenario) -> tuple[Any, dict[str, list[Any]]]:
        """What it gave back, and the tables."""
        with redirected(), self._world.clocks():
            result = self._world.loop.run(self._started(scenario), self._place)
            self._world.loop.end()
        return result, _tables_of(self._server.store, self.base_ms)

    async def _started(self, scenario: Scenario) -> Any:
        return await scenario(self)

    async def session(self) -> Session:
        connection = SimConnection(self._server, HERE.get(), writing=True)
        other = SimConnection(self._server, HERE.get(), writing=False)
        return _Session(connection, _Plain(other), self.base_ms)

    async def waits(self, task: asyncio.Task[Any]) -> bool:
        await self._world.sleep(0.5)
        return not task.done()


def _simulated_tables() -> list[str]:
    return [name for name in Schema().tables() if name != "charity"]


def _tables_of(store: Store, base_ms: int) -> dict[str, list[Any]]:
    return {
        name: _sorted([comparable(row, base_ms) for row in store.tables[name].rows.values()])
        for name in _simulated_tables()
    }


def _plain(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row of PostgreSQL as the store would have it."""
    plain = {}
    for column, value in row.items():
        if column in UNSEEN.get(table, ()):
            continue
        if column.endswith("_at"):
            at_ms = None if value is None else round(value.timestamp() * 1000)
            plain[column.removesuffix("_at") + "_ms"] = at_ms
        else:
            plain[column] = value
    return plain


def comparable(value: Any, base_ms: int, *, name: str = "") -> Any:
    """A value without what differs from run to run."""
    if isinstance(value, msgspec.Struct):
        names = sorted(type(value).__struct_fields__)
        return {n: comparable(getattr(value, n), base_ms, name=n) for n in names}
    if isinstance(value, dict):
        return {
            str(k): comparable(v, base_ms, name=str(k))
            for k, v in sorted(value.items(), key=lambda item: str(item[0]))
        }
    if isinstance(value, set | frozenset | list | tuple):
        return _sorted([comparable(item, base_ms) for item in value])
    if isinstance(value, int) and name.endswith("_ms"):
        return round((value - base_ms) / 60_000)
    return _simple(value)


def _simple(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def _sorted(values: list[Any]) -> list[Any]:
    return sorted(values, key=repr)
