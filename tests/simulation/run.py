"""One run: a seed, its faults, its healing, and what can be said at the end."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from msgspec import Struct

from simulation.bank import Bank
from simulation.donors import CHARITIES, Crowd
from simulation.internet import Internet
from simulation.invariants import Evidence, breaches
from simulation.loop import Runaway, StuckError
from simulation.nemesis import Nemesis, database_ills, gateway_ills, internet_ills
from simulation.node import Node, Outside, WebNode, WorkNode
from simulation.quiet import quiet
from simulation.store.schema import CharityRow
from simulation.store.server import Server
from simulation.twins import redirected
from simulation.world import World

LIVENESS_S: Final = 86_400.0
"""So long after everything was mended nothing may be in doubt any more."""


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
        self.internet = Internet(world, internet_ills(profile))
        self.outside = Outside(world, self.server, self.bank)
        self.web = [WebNode(f"web{n}", self.outside) for n in range(profile.randint(1, 3))]
        self.workers: list[Node] = [
            WorkNode(f"work{n}", self.outside) for n in range(profile.randint(1, 2))
        ]
        self.crowd = Crowd(world, self.internet, self.web)
        self.nemesis = Nemesis(self.outside, self.internet, self.web, self.workers)
        for charity in CHARITIES:
            row = CharityRow(charity.charity_id, charity.slug, charity.name)
            self.server.store.schema.charity.replace(row.charity_id, row)

    async def play(self) -> None:
        """Faults, then healing, then whatever takes time."""
        profile = self.world.profile
        for node in [*self.web, *self.workers]:
            await node.start()
        within_s = profile.choice((2.0, 20.0, 60.0))
        donors = self.crowd.arrive(profile.randint(6, 11), within_s)
        strikes = self.nemesis.begin(profile.choice((0, 1, 2, 4, 8)), within_s + 30)
        await asyncio.wait(donors)
        for strike in strikes:
            strike.cancel()
        await self.nemesis.heal()
        await self.crowd.come_back()
        await self._settle_down()
        await self.crowd.look_once_more()

    async def _settle_down(self) -> None:
        """Until nothing is in doubt any more, for a day at most."""
        world = self.world
        until = world.loop.time() + LIVENESS_S
        calm = 0
        while calm < 2 and world.loop.time() < until:
            await world.sleep(30)
            calm = calm + 1 if self._calm() else 0

    def _calm(self) -> bool:
        store = self.server.store
        return not any(
            row.state in {"PREPARED", "DISPATCHED", "UNKNOWN"}
            for row in store.schema.attempt.rows.values()
        ) and all(sale.landed_at is not None for sale in self.bank.sales.values())

    def evidence(self) -> Evidence:
        """What the invariants are computed from."""
        return Evidence(
            self.world, self.server.store, self.bank, self.crowd, self.web, self.workers
        )


def run_seed(seed: int, *, keep_trace: bool = False) -> Report:
    """Run one seed."""
    with ExitStack() as stack:
        stack.enter_context(redirected())
        return run_redirected(seed, keep_trace=keep_trace)


def run_redirected(
    seed: int, *, keep_trace: bool = False, change: Callable[[Run], None] | None = None
) -> Report:
    """Run one seed, while the statements are redirected already.

    `change` may alter the run before it begins.
    """
    collecting = gc.isenabled()
    gc.disable()
    run = Run(seed, keep_trace=keep_trace)
    world = run.world
    if change is not None:
        change(run)
    try:
        with world.clocks(), quiet(world.logged):
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
    return breaches(run.evidence())
