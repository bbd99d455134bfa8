"""The database server and the network to it, with their faults."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
from msgspec import Struct

from simulation.places import Place
from simulation.store.store import Store
from simulation.store.transaction import Transaction
from simulation.world import wake

if TYPE_CHECKING:
    from simulation.store.connection import SimConnection
    from simulation.world import World


class Ills(Struct):
    """How likely each ill of a single statement or commit is, and how slow things are."""

    statement_lost: float = 0.0
    commit_lost: float = 0.0
    commit_unheard: float = 0.0
    deadlock: float = 0.0
    serialization: float = 0.0
    slow: float = 0.0
    slow_commit: float = 0.0
    latency_s: float = 0.002


class Server:
    """One PostgreSQL with its network."""

    def __init__(self, world: World, ills: Ills) -> None:
        self.world = world
        self.store = Store(world)
        self.ills = ills
        self.generation = 0
        self.away = False
        self.hung = False
        self._hanging: list[asyncio.Future[None]] = []
        self.cut: dict[Place, None] = {}
        self._random = world.random("database")
        self._back: list[asyncio.Future[None]] = []

    def draw(self) -> float:
        """A random number of the database's own."""
        return self._random.random()

    def reachable(self, place: Place) -> bool:
        """Whether a new connection from there would stand."""
        return not self.away and place not in self.cut

    # Going away and coming back.

    def go_away(self) -> None:
        """Stop: every connection breaks, what was open is rolled back."""
        self.away = True
        self.generation += 1
        self.store.end_all()

    def come_back(self) -> None:
        """Start again."""
        self.away = False
        self._tell_back()

    def fail_over(self) -> None:
        """Another server takes over at once: connections break, commits stay."""
        self.generation += 1
        self.store.end_all()

    def hang(self) -> None:
        """Answer nobody (SIGSTOP)."""
        self.hung = True

    def go_on(self) -> None:
        """Answer again."""
        self.hung = False
        hanging, self._hanging = self._hanging, []
        for future in hanging:
            wake(future)

    def cut_off(self, place: Place) -> None:
        """Cut the network between a node and the server."""
        self.cut[place] = None

    def mend(self, place: Place) -> None:
        """Mend it."""
        self.cut.pop(place, None)
        self._tell_back()

    def _tell_back(self) -> None:
        back, self._back = self._back, []
        for future in back:
            wake(future)

    async def wait_for(self, place: Place, seconds: float) -> bool:
        """Wait until the server can be reached; False when it took longer."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not self.reachable(place):
            left = deadline - loop.time()
            if left <= 0:
                return False
            future = loop.create_future()
            self._back.append(future)
            await asyncio.wait([future], timeout=left)
        return True

    # What a connection asks.

    async def connect(self, place: Place, wait_s: float) -> None:
        """Raises OperationalError when no connection can be made."""
        await self.world.sleep(self.ills.latency_s)
        if self.hung:
            await self.world.sleep(wait_s)
            raise psycopg.OperationalError("connection timeout expired")
        if place in self.cut:
            await self.world.sleep(wait_s)
            raise psycopg.OperationalError("connection timeout expired")
        if self.away:
            raise psycopg.OperationalError("connection refused")

    async def statement(self, connection: SimConnection, transaction: Transaction) -> None:
        """What happens before a statement is carried out."""
        await self.travel(connection)
        await self._arrive(connection, transaction)
        ills = self.ills
        if self.world.healed:
            return
        drawn = self.draw()
        if drawn < ills.statement_lost:
            self.world.fault("db_connection_lost", connection.place)
            self._break(connection, transaction)
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        if not connection.writing:
            return
        drawn -= ills.statement_lost
        if drawn < ills.deadlock:
            self.world.fault("db_deadlock", connection.place)
            raise psycopg.errors.DeadlockDetected("deadlock detected")
        drawn -= ills.deadlock
        if drawn < ills.serialization:
            self.world.fault("db_serialization", connection.place)
            raise psycopg.errors.SerializationFailure("could not serialize access")

    async def commit(self, connection: SimConnection, transaction: Transaction) -> None:
        """Commit, and let the client know; either can fail."""
        try:
            await self.travel(connection)
            await self._arrive(connection, transaction)
            if not self.world.healed and self.draw() < self.ills.slow_commit:
                self.world.fault("db_commit_slow", connection.place)
                await self._wait(connection, self.draw() * 7)
                await self._arrive(connection, transaction)
        except (asyncio.CancelledError, psycopg.OperationalError):
            connection.closed = True
            self._maybe_later(connection, transaction)
            raise
        drawn = 1.0 if self.world.healed else self.draw()
        if drawn < self.ills.commit_lost:
            self.world.fault("db_commit_lost", connection.place)
            self._break(connection, transaction)
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        transaction.commit()
        drawn -= self.ills.commit_lost
        if drawn < self.ills.commit_unheard:
            self.world.fault("db_commit_unheard", connection.place)
            connection.closed = True
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        await self.travel(connection)
        if connection.generation != self.generation or connection.place in self.cut:
            if transaction.writes:
                self.world.fault("db_commit_unheard", connection.place)
            connection.closed = True
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    def _maybe_later(self, connection: SimConnection, transaction: Transaction) -> None:
        """A commit that its client gave up may have been on its way, and be carried out yet."""
        if transaction.over or connection.generation != self.generation or self.draw() < 0.5:
            self.roll_back(connection, transaction)
            return
        self.world.fault("db_commit_late", connection.place)
        loop, context = self.world.loop, self.world.outside.context()

        def carry_out() -> None:
            if transaction.over:
                return
            if self.hung:
                loop.call_later(1.0, carry_out, context=context)
            else:
                transaction.commit()

        loop.call_later(self.draw() ** 2 * 10, carry_out, context=context)

    def roll_back(self, connection: SimConnection, transaction: Transaction) -> None:
        """Roll back; across a cut network only once the server notices."""
        if connection.place in self.cut and not transaction.over:
            notices_s = self.draw() * 20
            self.world.loop.call_later(
                notices_s, transaction.abort, context=self.world.outside.context()
            )
        else:
            transaction.abort()

    def _break(self, connection: SimConnection, transaction: Transaction) -> None:
        connection.closed = True
        transaction.abort()

    async def travel(self, connection: SimConnection) -> None:
        """One way through the network; a server that hangs takes as long as it hangs."""
        latency_s = self.ills.latency_s * (0.2 + self.draw())
        if not self.world.healed and self.ills.slow and self.draw() < self.ills.slow:
            self.world.fault("db_slow")
            latency_s += self.draw() * 4
        await self._wait(connection, latency_s)
        while self.hung:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._hanging.append(future)
            await connection.until(future)

    async def _wait(self, connection: SimConnection, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        loop.call_later(seconds, wake, future)
        await connection.until(future)

    async def _arrive(self, connection: SimConnection, transaction: Transaction) -> None:
        if connection.place in self.cut:
            await self._wait(connection, 1 + self.draw() * 14)
            connection.closed = True
            raise psycopg.OperationalError("could not receive data: Connection timed out")
        if connection.generation != self.generation or self.away or transaction.over:
            connection.closed = True
            raise psycopg.errors.AdminShutdown("terminating connection")
