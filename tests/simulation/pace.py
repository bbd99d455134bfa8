"""The pace of loops: a step that would find nothing is not made.

In a day of virtual time the loops of an installation would ask the database some hundred thousand
times whether there is anything to do. The simulation knows the answer, so a loop sleeps until
there is. What a step then does is the real thing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec import structs

from almoner.platform.loops import Loop
from simulation.places import Place
from simulation.world import wake

if TYPE_CHECKING:
    from simulation.run import Run

_LOOK_S: Final = 1.0
_LOOK_S_MAX: Final = 600.0

Work = Callable[["Run"], bool]


class Pace:
    """Wakes the loops of all nodes when there is something for them to do."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._random = run.world.random("pace")
        self._waiting: dict[Work, list[asyncio.Future[None]]] = {}
        self._place = Place("pace")

    def begin(self) -> None:
        """Look again and again."""
        self._run.world.loop.start(self._place, self._look())

    def paced(self, loop: Loop) -> Loop:
        """The same loop, whose step waits until there is something to do."""
        has_work = _never if loop.name in NOT_SIMULATED else WORK[loop.name]

        async def step() -> int:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(has_work, []).append(future)
            await future
            return await loop.step()

        return structs.replace(loop, step=step, pause_s=0.0)

    async def _look(self) -> None:
        world = self._run.world
        while True:
            wait_s = _LOOK_S
            if world.healed:
                wait_s = min(max(_LOOK_S, self._run.next_s()), _LOOK_S_MAX)
            await world.sleep(wait_s * (0.5 + self._random.random()))
            for has_work, futures in self._waiting.items():
                if futures and has_work(self._run):
                    for future in futures:
                        world.loop.call_later(self._random.random(), wake, future)
                    futures.clear()


def _attempts(*, in_states: frozenset[str] | None = None) -> Work:
    def due(run: Run) -> bool:
        store, now_ms = run.server.store, run.world.now_ms
        return any(
            row.next_check_ms is not None
            and row.next_check_ms <= now_ms
            and (in_states is None or row.state in in_states)
            for row in store.schema.attempt.rows.values()
        )

    return due


def _returns(run: Run) -> bool:
    now_ms = run.world.now_ms
    rows = run.server.store.schema.money_return.rows.values()
    return any(row.done_ms is None and row.next_try_ms <= now_ms for row in rows)


def _webhooks(run: Run) -> bool:
    rows = run.server.store.schema.webhook.rows.values()
    return any(row.processed_ms is None and row.parked_ms is None for row in rows)


def _prepared(run: Run) -> bool:
    rows = run.server.store.schema.attempt.rows.values()
    return any(row.state == "PREPARED" for row in rows)


def _kept(run: Run) -> bool:
    return run.disk.undrained(run.server.store)


def _unpublished(run: Run) -> bool:
    rows = run.server.store.schema.event.rows.values()
    return any(row.published_ms is None for row in rows)


def _deliveries(consumer: str) -> Work:
    def due(run: Run) -> bool:
        now_ms = run.world.now_ms
        rows = run.server.store.schema.delivery.rows.values()
        return any(
            row.consumer == consumer and row.parked_ms is None and row.next_ms <= now_ms
            for row in rows
        )

    return due


def _never(_: Run) -> bool:
    return False


WORK: Final[dict[str, Work]] = {
    "resolver": _attempts(),
    "late money": _attempts(in_states=frozenset({"LATE_SUCCESS"})),
    "giving back": _returns,
    "abandoning": _prepared,
    "webhooks": _webhooks,
    "journal drain": _kept,
    "relay": _unpublished,
    "deliver log": _deliveries("log"),
    "deliver charity_totals": _deliveries("charity_totals"),
}
"""For each loop, whether a step would find something."""

NOT_SIMULATED: Final[dict[str, str]] = {
    "webhooks forgotten": "a month is longer than a run",
    "expiry": "a month is longer than a run",
    "recovered": "there is no restored database",
    "queue length": "only measures",
    "sealer": "its statements hash in the database",
    "settlement": "the gateway pays nothing out",
    "match": "its statements compare in the database",
    "monitor": "its statements compare in the database",
    "monitor_full": "its statements compare in the database",
    "watch": "only measures",
    "beat": "only measures",
}
"""Loops that the simulation leaves out, and why."""
