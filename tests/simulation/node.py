"""Nodes: processes of an installation, made of the real parts."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from almoner.bootstrap import Web, Work
from almoner.platform.ids import IdDeriver
from almoner.platform.loops import run_loops
from almoner.platform.settings import Settings
from simulation.places import Life, Place
from simulation.store.server import Server
from simulation.world import World
from support.installation import settings_of

T = TypeVar("T")

SECRET_KEY: Final = "a secret key for the simulation of almoner"
IDS: Final = IdDeriver(SECRET_KEY)


def settings_with(**given: Any) -> Settings:
    """The default settings, with a few of our own."""
    return settings_of(
        {"secret_key": SECRET_KEY, "database_url": "postgresql://simulated/simulated", **given}
    )


class Node:
    """A process that can be killed and started again; each start is a new place."""

    def __init__(self, name: str, world: World, server: Server, settings: Settings) -> None:
        self.name = name
        self.world = world
        self.server = server
        self.settings = settings
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
        server, place = self.server, self.place
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

    web: Web

    async def open(self) -> None:
        """As `almoner.bootstrap` composes it."""
        self.web = Web(self.settings)
        await self.web.open()


class WorkNode(Node):
    """A worker: what goes on without a donor waiting."""

    work: Work

    async def open(self) -> None:
        """As `almoner.worker` runs it."""
        self.work = Work(self.settings)
        await self.work.open()
        self.within(run_loops(self.work.loops(), asyncio.Event()))
