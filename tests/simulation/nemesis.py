"""Nemesis: draws what goes wrong in a run, and lets it happen.

Each seed has its own mixture: some kinds of fault are absent, others are frequent ("swarm
testing"), because faults that always come together hide each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING

from simulation.bank import GatewayIlls
from simulation.internet import Internet, InternetIlls
from simulation.places import Place
from simulation.segments import DiskIlls
from simulation.store.server import Ills

if TYPE_CHECKING:
    from simulation.node import Node, WebNode
    from simulation.run import Run


def _sometimes(random: Random, most: float, *, likely: float = 0.4) -> float:
    """Zero, or up to `most`; small values are more frequent."""
    return most * random.random() ** 2 if random.random() < likely else 0.0


def database_ills(random: Random) -> Ills:
    """What single statements and commits suffer in this run."""
    return Ills(
        statement_lost=_sometimes(random, 0.1),
        commit_lost=_sometimes(random, 0.2),
        commit_unheard=_sometimes(random, 0.4, likely=0.5),
        deadlock=_sometimes(random, 0.05),
        serialization=_sometimes(random, 0.05),
        slow=_sometimes(random, 0.2),
        slow_commit=_sometimes(random, 0.3),
        latency_s=random.choice((0.001, 0.004, 0.05)),
    )


def gateway_ills(random: Random) -> GatewayIlls:
    """What single calls to the gateway suffer in this run."""
    late = random.random() < 0.2
    return GatewayIlls(
        late_success=_sometimes(random, 0.5) if late else 0.0,
        late_decline=_sometimes(random, 0.4) if late else 0.0,
        very_late=_sometimes(random, 0.4, likely=0.7) if late else 0.0,
        reverse_ill=_sometimes(random, 0.8),
        webhook_lost=_sometimes(random, 1.0),
        webhook_late=_sometimes(random, 1.0),
        webhook_twice=_sometimes(random, 1.0),
        webhook_forged=_sometimes(random, 0.5),
        refused=_sometimes(random, 0.3),
        lost_request=_sometimes(random, 0.3),
        slow=_sometimes(random, 0.4),
        lost_answer=_sometimes(random, 0.6, likely=0.6),
        late_landing=_sometimes(random, 0.5, likely=0.5),
        in_flight=_sometimes(random, 0.3),
        duplicate=_sometimes(random, 0.2),
        declined=random.choice((0.02, 0.1, 0.3)),
        index_lag=_sometimes(random, 1.0),
        look_up_ill=_sometimes(random, 0.5),
    )


def internet_ills(random: Random) -> InternetIlls:
    """What donors' connections suffer in this run."""
    return InternetIlls(
        lost_request=_sometimes(random, 0.2),
        lost_answer=_sometimes(random, 0.4),
        latency_s=random.choice((0.02, 0.1, 1.0)),
    )


def disk_ills(random: Random) -> DiskIlls:
    """What the journal's disk suffers in this run."""
    return DiskIlls(full=_sometimes(random, 0.5), sync_error=_sometimes(random, 0.3, likely=0.2))


class Nemesis:
    """Strikes nodes, the database, the gateway and the networks between them."""

    def __init__(
        self, run: Run, internet: Internet, web: list[WebNode], workers: list[Node]
    ) -> None:
        self.run = run
        self.internet = internet
        self.web = web
        self.nodes: list[Node] = [*web, *workers]
        self.world = run.world
        self.random = self.world.random("nemesis")
        self._place = Place("nemesis")

    def begin(self, strikes: int, within_s: float) -> list[asyncio.Task[None]]:
        """Let so many things happen."""
        kinds = self.random.sample(_STRIKES, k=self.random.randint(1, len(_STRIKES)))
        return [
            self.world.loop.start(
                self._place,
                self._strike(self.random.choice(kinds), self.random.random() * within_s),
            )
            for _ in range(strikes)
        ]

    def blind(self, in_s: float, for_s: float) -> asyncio.Task[None]:
        """Let nobody look anything up for so long that misses would count, if they were misses."""
        return self.world.loop.start(self._place, self._blind(in_s, for_s))

    async def _blind(self, in_s: float, for_s: float) -> None:
        await self.world.sleep(in_s)
        self.world.fault("look_ups_down_for_long")
        until = self.world.loop.time() + for_s
        while self.world.loop.time() < until:  # shorter strikes end in between
            self.run.bank.look_up_down = True
            await self.world.sleep(10)
        self.run.bank.look_up_down = False

    async def _strike(self, kind: Strike, in_s: float) -> None:
        await self.world.sleep(in_s)
        await kind(self)

    async def heal(self) -> None:
        """Mend everything and start everything again."""
        run = self.run
        self.world.healed = True
        self.world.note("healed")
        run.server.go_on()
        run.server.come_back()
        run.bank.down = run.bank.look_up_down = False
        run.bank.cut.clear()
        for place in list(run.server.cut):
            run.server.mend(place)
        for node in self.nodes:
            node.resume()
            if not node.alive:
                await node.start()

    async def down(self, node: Node, *, power_cut: bool) -> None:
        """Kill a node, and start it again some time later."""
        self.world.fault("node_killed", node.place)
        self.kill(node)
        if power_cut:
            self.world.fault("power_cut", node.place)
            self.run.disk.power_cut(node.place)
        await self.world.sleep(self.random.random() ** 2 * 40)
        if not node.alive:
            await node.start()

    def kill(self, node: Node) -> None:
        """kill -9 of a node; whoever waits for it finds out, soon or never."""
        node.kill()
        for web in self.web:
            if web is node and self.random.random() < 0.7:
                self.internet.reset(web)


async def _kill(nemesis: Nemesis) -> None:
    node = nemesis.random.choice(nemesis.nodes)
    if not node.alive or nemesis.world.healed:
        return
    await nemesis.down(node, power_cut=nemesis.random.random() < 0.3)


async def _blackout(nemesis: Nemesis) -> None:
    """The database is gone, and then a machine that had to keep gifts meanwhile."""
    server = nemesis.run.server
    if server.away or nemesis.world.healed:
        return
    nemesis.world.fault("database_away")
    server.go_away()
    await nemesis.world.sleep(1 + nemesis.random.random() * 15)
    node = nemesis.random.choice(nemesis.web)
    if node.alive and not nemesis.world.healed:
        await nemesis.down(node, power_cut=True)
    server.come_back()


async def _pause(nemesis: Nemesis) -> None:
    node = nemesis.random.choice(nemesis.nodes)
    if not node.alive or nemesis.world.healed:
        return
    nemesis.world.fault("node_paused", node.place)
    node.pause()
    await nemesis.world.sleep(1 + nemesis.random.random() ** 2 * 150)
    node.resume()


async def _database_away(nemesis: Nemesis) -> None:
    server = nemesis.run.server
    if server.away or nemesis.world.healed:
        return
    nemesis.world.fault("database_away")
    server.go_away()
    await nemesis.world.sleep(0.5 + nemesis.random.random() ** 3 * 120)
    server.come_back()


async def _fail_over(nemesis: Nemesis) -> None:
    if nemesis.world.healed:
        return
    nemesis.world.fault("database_failover")
    nemesis.run.server.fail_over()


async def _database_hangs(nemesis: Nemesis) -> None:
    server = nemesis.run.server
    if nemesis.world.healed or server.hung:
        return
    nemesis.world.fault("database_hangs")
    server.hang()
    await nemesis.world.sleep(1 + nemesis.random.random() ** 2 * 60)
    server.go_on()


async def _cut_from_database(nemesis: Nemesis) -> None:
    node = nemesis.random.choice(nemesis.nodes)
    if nemesis.world.healed:
        return
    nemesis.world.fault("cut_from_database", node.place)
    place = node.place
    nemesis.run.server.cut_off(place)
    await nemesis.world.sleep(1 + nemesis.random.random() ** 2 * 60)
    nemesis.run.server.mend(place)


async def _cut_from_gateway(nemesis: Nemesis) -> None:
    node = nemesis.random.choice(nemesis.nodes)
    if nemesis.world.healed:
        return
    nemesis.world.fault("cut_from_gateway", node.place)
    place, bank = node.place, nemesis.run.bank
    bank.cut[place] = None
    await nemesis.world.sleep(1 + nemesis.random.random() ** 2 * 60)
    bank.cut.pop(place, None)


async def _gateway_down(nemesis: Nemesis) -> None:
    if nemesis.world.healed:
        return
    nemesis.world.fault("gateway_down")
    nemesis.run.bank.down = True
    await nemesis.world.sleep(1 + nemesis.random.random() ** 2 * 60)
    nemesis.run.bank.down = False


async def _look_ups_down(nemesis: Nemesis) -> None:
    if nemesis.world.healed:
        return
    nemesis.world.fault("look_ups_down")
    nemesis.run.bank.look_up_down = True
    await nemesis.world.sleep(1 + nemesis.random.random() * 200)
    nemesis.run.bank.look_up_down = False


Strike = Callable[[Nemesis], Awaitable[None]]
_STRIKES: list[Strike] = [
    _kill,
    _kill,
    _pause,
    _database_away,
    _blackout,
    _fail_over,
    _database_hangs,
    _cut_from_database,
    _cut_from_gateway,
    _gateway_down,
    _look_ups_down,
]
