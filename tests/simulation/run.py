"""One run: a seed, its faults, its healing, and what can be said at the end."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from simulation.bank import Bank
from simulation.donors import CHARITIES, Crowd
from simulation.internet import Internet
from simulation.invariants import MONEY, OPEN, Evidence, breaches
from simulation.loop import Runaway, StuckError
from simulation.nemesis import (
    Nemesis,
    database_ills,
    disk_ills,
    gateway_ills,
    internet_ills,
)
from simulation.node import Node, WebNode, WorkNode, settings_with
from simulation.pace import Pace
from simulation.post import Post
from simulation.segments import Disk
from simulation.stage import on_stage, set_up
from simulation.store.schema import CharityRow
from simulation.store.server import Server
from simulation.world import World

LIVENESS_S: Final = 86_400.0 + 7_200.0
"""So long after everything was mended nothing may be in doubt any more: a day, and what was due on
its last hour."""


class Report(Struct, frozen=True):
    """What a run came to. `breaches` is empty when everything that must hold held."""

    seed: int
    digest: str
    breaches: list[str]
    donations: int
    requests: int
    captured: int
    commits: int
    lock_waits: int
    virtual_s: float
    steps: int
    faults: dict[str, int]
    logged: dict[str, int]
    trace: list[str] | None = None


class Run:
    """The parts of one run."""

    def __init__(self, seed: int, *, keep_trace: bool = False) -> None:
        world = self.world = World(seed, keep_trace=keep_trace)
        profile = world.profile
        self.server = Server(world, database_ills(profile))
        self.bank = Bank(world, gateway_ills(profile))
        self.disk = Disk(world, disk_ills(profile))
        self.pace = Pace(self)
        self.internet = Internet(world, internet_ills(profile))
        settings = settings_with(journal_dir=profile.choice(("", "simulated", "simulated")))
        parts = (world, self.server, settings)
        self.web = [WebNode(f"web{n}", *parts) for n in range(profile.randint(1, 3))]
        self.workers: list[Node] = [
            WorkNode(f"work{n}", *parts) for n in range(profile.randint(1, 2))
        ]
        self.post = Post(world, self.bank, self.web)
        self.crowd = Crowd(world, self.internet, self.web)
        self.liveness_s = LIVENESS_S
        self.nemesis = Nemesis(self, self.internet, self.web, self.workers)
        for charity in CHARITIES:
            row = CharityRow(charity.charity_id, charity.slug, charity.name)
            self.server.store.schema.charity.replace(row.charity_id, row)

    async def play(self) -> None:
        """Faults, then healing, then whatever takes time."""
        profile = self.world.profile
        self.pace.begin()
        for node in [*self.web, *self.workers]:
            await node.start()
        within_s = profile.choice((2.0, 20.0, 60.0))
        long_s = 600 + profile.random() * 2_400 if profile.random() < 0.12 else 0.0
        donors = self.crowd.arrive(profile.randint(6, 11), within_s)
        strikes = self.nemesis.begin(profile.choice((0, 1, 2, 4, 8)), within_s + 30)
        if long_s:
            strikes += self.nemesis.begin(profile.randint(2, 8), long_s)
        blind_s = 1_000 + profile.random() * 1_500 if profile.random() < 0.1 else 0.0
        if blind_s:
            strikes.append(self.nemesis.blind(profile.random() * within_s, blind_s))
        await asyncio.wait(donors)
        await self.world.sleep(max(long_s, blind_s))
        for strike in strikes:
            strike.cancel()
        await self.nemesis.heal()
        await self.crowd.come_back()
        await self._settle_down()
        await self.crowd.look_once_more()
        if not self._calm():  # somebody gave once more instead
            await self._settle_down()

    async def _settle_down(self) -> None:
        """Until nothing is in doubt any more, for a day at most."""
        world = self.world
        until = world.loop.time() + self.liveness_s
        calm = 0
        while calm < 2 and world.loop.time() < until:
            await world.sleep(30)
            calm = calm + 1 if self._calm() else 0

    def _calm(self) -> bool:
        """Whether nothing is in doubt, nothing on its way, and all money where it belongs."""
        schema = self.server.store.schema
        states = {row.attempt_id.hex: row.state for row in schema.attempt.rows.values()}
        return (
            not OPEN.intersection(states.values())
            and not self.bank.pending
            and not self.post.on_the_way
            and {order for order, state in states.items() if state in MONEY}
            == {sale.order_id for sale in self.bank.sales.values() if sale.captured}
            and all(row.done_ms is not None for row in schema.money_return.rows.values())
            and all(row.processed_ms is not None for row in schema.webhook.rows.values())
            and all(row.published_ms is not None for row in schema.event.rows.values())
            and not schema.delivery.rows
            and not self.disk.undrained(self.server.store)
            and self.server.store.next_due_s() > 0
        )

    def next_s(self) -> float:
        """In how many seconds something may happen by itself."""
        return 5.0 if self.post.on_the_way else self.server.store.next_due_s()

    def evidence(self) -> Evidence:
        """What the invariants are computed from."""
        return Evidence(self)


def run_seed(seed: int, *, keep_trace: bool = False) -> Report:
    """Run one seed."""
    with set_up():
        return run_on_stage(seed, keep_trace=keep_trace)


def run_on_stage(
    seed: int, *, keep_trace: bool = False, change: Callable[[Run], None] | None = None
) -> Report:
    """Run one seed, where everything is set up already.

    `change` may alter the run before it begins.
    """
    collecting = gc.isenabled()
    gc.disable()
    run = Run(seed, keep_trace=keep_trace)
    world = run.world
    if change is not None:
        change(run)
    try:
        with world.clocks(), on_stage(run):
            found = _play(run)
            world.loop.end()
    finally:
        if collecting:
            gc.enable()
    store = run.server.store
    return Report(
        seed,
        world.digest(),
        found,
        len(store.schema.donation.rows),
        run.internet.requests,
        sum(sale.captured for sale in run.bank.sales.values()),
        store.commits,
        store.waits,
        world.loop.time(),
        world.loop.steps,
        dict(world.faults),
        dict(Counter(world.logged)),
        world.trace,
    )


def _play(run: Run) -> list[str]:
    try:
        run.world.loop.run(run.play(), run.world.outside)
    except (StuckError, Runaway) as error:
        return [f"0 the run came to no end: {error!r}"]
    return [*_unsimulated(run), *breaches(run.evidence())]


def _unsimulated(run: Run) -> list[str]:
    """A statement without a twin fails wherever it is asked, which a loop may only log."""
    lacking = {line for line in run.world.logged if line.endswith(NotImplementedError.__name__)}
    return [f"0 a statement has no twin: {line}" for line in sorted(lacking)]
