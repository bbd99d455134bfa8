"""A loop goes on after a fault, and tells how it fares."""

from __future__ import annotations

import asyncio

from almoner.operations.monitor.beat import Beats
from almoner.operations.monitor.queries import read_beats
from almoner.platform.errors import Unavailable
from almoner.platform.loops import REPORTS, Loop, run_loops
from support.installation import Installation


async def test_a_fault_is_counted_and_forgotten_by_the_next_good_step() -> None:
    """Neither a fault nor a database that is away ends the loop."""
    stopping = asyncio.Event()
    failures: list[int] = []
    faults: list[Exception] = [ValueError("no"), Unavailable("away")]

    async def step() -> int:
        failures.append(REPORTS["trial"].failures_in_a_row)
        if faults:
            raise faults.pop()
        if len(failures) == 4:
            stopping.set()
        return 0

    await run_loops([Loop("trial", step, 0.001)], stopping)

    assert failures == [0, 1, 2, 0]
    assert "trial" not in REPORTS


async def test_a_process_says_how_its_loops_fare_and_takes_them_along(
    almoner: Installation,
) -> None:
    """The freshest of each loop is what counts, whichever process runs it."""
    stopping, ran = asyncio.Event(), asyncio.Event()
    older, newer = (Beats(almoner.database, "worker") for _ in range(2))

    async def step() -> int:
        ran.set()
        return 0

    running = asyncio.create_task(run_loops([Loop("trial", step, 60)], stopping))
    await ran.wait()
    await asyncio.sleep(0)
    await older.beat()
    await newer.beat()

    (beat,) = await read_beats(almoner.database)
    assert (beat.loop, beat.late_after_s, beat.failures_in_a_row) == ("trial", 360, 0)
    assert beat.ended_age_s is not None
    assert beat.ended_age_s < 60
    await newer.close()
    await older.close()
    assert await read_beats(almoner.database) == []
    stopping.set()
    await running
