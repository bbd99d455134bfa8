"""Nodes: processes of an installation, made of the real parts."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar, cast

from almoner.bootstrap.base import Base
from almoner.bootstrap.gateways import make_local_charging
from almoner.bootstrap.writers import make_intents, make_settlements
from almoner.donations.give import Giving, GivingPolicy
from almoner.donations.settle import Settling
from almoner.payments.resolve import MissRules, Resolver
from almoner.platform.ids import IdDeriver, Tokens
from almoner.platform.loops import Loop, run_loops
from almoner.platform.settings import Settings
from simulation.bank import Bank
from simulation.gateway import SimGateway
from simulation.places import Life, Place
from simulation.store.connection import SimDatabase, SimWriter
from simulation.store.server import Server
from simulation.world import World

T = TypeVar("T")

SECRET_KEY: Final = "a secret key for the simulation of almoner"
SETTINGS: Final = Settings()
IDS: Final = IdDeriver(SECRET_KEY)
READ_TOKENS: Final = Tokens(SECRET_KEY, "read")


class _Base:
    """What the writers of `bootstrap` want to know."""

    def __init__(self) -> None:
        self.settings = SETTINGS
        self.ids = IDS
        self.read_tokens = READ_TOKENS


class Outside:
    """What a node reaches over the network."""

    def __init__(self, world: World, server: Server, bank: Bank) -> None:
        self.world = world
        self.server = server
        self.bank = bank


class Node:
    """A process that can be killed and started again; each start is a new place."""

    def __init__(self, name: str, outside: Outside) -> None:
        self.name = name
        self.outside = outside
        self.world = outside.world
        self.starts = 0
        self.place = Place(name)
        self.place.life = Life.DEAD
        self.places: list[Place] = []
        self._random = self.world.random(name)

    @property
    def alive(self) -> bool:
        """Whether it runs, or is only paused."""
        return self.place.life is not Life.DEAD

    async def start(self) -> None:
        """Start a new process."""
        self.starts += 1
        skew_ms = self._random.choice((0, 0, 0, -900, 700, 4_000, -4_000))
        self.place = Place(f"{self.name}.{self.starts}", skew_ms=skew_ms)
        self.places.append(self.place)
        self.world.note("start", self.place)
        await self.within(self.open())

    async def open(self) -> None:
        """Make and open the parts of this role."""
        raise NotImplementedError

    def kill(self) -> None:
        """kill -9: nothing of it runs any more. The server finds its connections closed."""
        self.world.note("kill", self.place)
        self.place.life = Life.DEAD
        server, place = self.outside.server, self.place
        self.world.loop.call_later(
            server.draw() ** 3 * 5,
            server.store.end_all,
            place,
            context=self.world.outside.context(),
        )

    def pause(self) -> None:
        """SIGSTOP."""
        if self.place.life is Life.RUNNING:
            self.world.note("pause", self.place)
            self.place.life = Life.PAUSED

    def resume(self) -> None:
        """SIGCONT."""
        if self.place.life is Life.PAUSED:
            self.world.note("resume", self.place)
            self.world.loop.resume(self.place)

    def within(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something in this process."""
        return self.world.loop.start(self.place, work)


class WebNode(Node):
    """A web process: it takes gifts and charges them."""

    giving: Giving
    database: SimDatabase

    async def open(self) -> None:
        """The parts of `bootstrap.Web` that have to do with money."""
        server = self.outside.server
        base = cast("Base", _Base())
        self.database = SimDatabase(server)
        settlements = make_settlements(base, SimWriter(server))
        intents = make_intents(base, SimWriter(server))
        gateway = SimGateway(self.world, self.outside.bank)
        self.giving = Giving(
            self.database,
            IDS,
            READ_TOKENS,
            intents,
            settlements,
            make_local_charging(SETTINGS, gateway),
            GivingPolicy(gateway.name, SETTINGS.giving.donor_wait_ms),
        )
        await settlements.open()
        await intents.open()
        await self.giving.open()


class WorkNode(Node):
    """A worker: it finds out what became of charges in doubt."""

    resolver: Resolver

    async def open(self) -> None:
        """The parts of `bootstrap.Work` that have to do with money."""
        server = self.outside.server
        base = cast("Base", _Base())
        database = SimDatabase(server)
        settlements = make_settlements(base, SimWriter(server))
        gateway = SimGateway(self.world, self.outside.bank)
        rules = SETTINGS.resolver
        self.resolver = Resolver(
            database,
            {gateway.name: gateway},
            Settling(database, settlements).settle,
            misses=MissRules(
                rules.resolver_first_miss_s * 1000, rules.resolver_second_miss_s * 1000
            ),
            deadline_ms=SETTINGS.gateway.gateway_deadline_ms,
        )
        await settlements.open()
        loops = [Loop("resolver", self._resolve, 1.0)]
        self.within(run_loops(loops, asyncio.Event()))

    async def _resolve(self) -> int:
        """As long as nothing is due a sweep would find nothing, so it waits for that."""
        while (wait_ms := self.outside.server.store.next_due_ms() - self.world.now_ms) > 0:
            wait_s = 1.0 + self._random.random()
            if self.world.healed:
                wait_s = max(wait_s, min(wait_ms / 1000, 60.0))
            await self.world.sleep(wait_s)
        return await self.resolver.sweep()
