"""One campaign: load and fire, then healing, then the audit."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from msgspec import Struct

from chaos.audit import Audit, compare
from chaos.disk import LIMIT_BYTES, Room, room_for_journal
from chaos.donors import Crowd
from chaos.faults import Fire
from chaos.healing import HEAL_S_MAX, heal
from chaos.lies import SECRET, Liar
from chaos.outages import Outages
from chaos.weather import KINDS, RARER, WAY_BACK, Kind, Weather, weather
from support.serving import Serving, serving

REPORT_EVERY_S = 30.0

QUICK = {
    "sandbox_latency_ms": "150",
    "gateway_deadline_ms": "2500",
    "gateway_breaker_open_ms": "1000",
    "database_wait_ms": "1500",
    # The sandbox may still file a charge five seconds after its database came back.
    "resolver_first_miss_s": "8",
    "resolver_second_miss_s": "10",
    "sandbox_webhook_secret": SECRET,
    "journal_bytes_max": str(LIMIT_BYTES),
    "settlement_import_minutes": "1",
}
"""A time-out of seconds instead of a minute, so that a campaign takes minutes instead of days."""


class Plan(Struct, frozen=True):
    """How much load for how long, and how often something breaks.

    An outage lasts `outage_s` after it was noticed. A gateway fault meets a gift of its amount with
    `probability`. `rarer` asks for the faults of which there are few.
    """

    donations: int
    donors: int
    seconds_max: float
    every_s: float
    seed: int
    outage_s: tuple[float, float] = (2.0, 6.0)
    probability: float = 0.06
    rarer: bool = True

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The gateway's faults."""
        return KINDS + RARER if self.rarer else KINDS


class Result(Struct):
    """What a campaign showed."""

    audit: Audit
    faults: dict[str, int]
    gateway: dict[str, int]
    missing: list[str]
    left_out: str
    answers: dict[str, int]
    checked: dict[str, Any]
    check_code: int
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether everything that was asked for happened, and nothing was broken."""
        return not (
            self.audit.breaches or self.missing or self.check_code or self.checked["attempts_open"]
        )


async def run(plan: Plan, data_dir: Path, say: Callable[[str], None]) -> Result:
    """Run one campaign on a fresh installation in `data_dir`."""
    started = time.monotonic()
    journal = data_dir.parent / "journal"
    with (
        room_for_journal(journal) as room,
        serving(data_dir, journal_dir=str(journal), **QUICK) as running,
    ):
        async with weather(running, plan.kinds, plan.seed, plan.probability) as bad:
            return await _campaign(plan, running, room, bad, say, started)


async def _campaign(
    plan: Plan,
    running: Serving,
    room: Room,
    bad: Weather,
    say: Callable[[str], None],
    started: float,
) -> Result:
    def telling(text: str) -> None:
        say(f"{time.monotonic() - started:6.0f} s  {text}")

    fire = Fire(running, plan.seed + 1, every_s=plan.every_s)
    outages = Outages(running, room, plan.seed + 2, plan.outage_s)
    liar = Liar(running, plan.seed + 3)
    fire.add("PostgreSQL away for seconds", outages.away)
    fire.add("PostgreSQL hangs for seconds", outages.hangs)
    fire.add("PostgreSQL away, and a web process with a journal killed", outages.orphaned)
    fire.add(f"PostgreSQL away or frozen, and {room.fault}", outages.no_room)
    fire.add("gateway closes its batch", bad.settle)
    fire.add("well signed, untrue webhooks", liar.signed)
    fire.add("forged webhooks", liar.forged)

    def enough(begun: int) -> bool:
        return begun >= plan.donations and not fire.missing() and not bad.missing()

    crowd = Crowd(running.url, plan.seed, enough, plan.seconds_max, outages.covered)

    async def report() -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            left = ", ".join(fire.missing() + bad.missing()) or "nothing"
            telling(f"{len(crowd.promises)} gifts begun; still to happen: {left}")

    async with _meanwhile(fire.rage()), _meanwhile(bad.watch()), _meanwhile(report()):
        await crowd.give(plan.donors)
    telling(f"{len(crowd.promises)} gifts begun under fire; healing")
    begun = len(crowd.promises)
    too_few = [f"{plan.donations} gifts, only {begun}"] if begun < plan.donations else []
    await bad.clear_up()
    if plan.rarer:
        await bad.begin(WAY_BACK, plan.seed, plan.probability)
    await heal(running, telling)
    await bad.clear_up()
    telling("everybody who does not know yet asks again")
    await crowd.insist(HEAL_S_MAX)
    differences = await heal(running, telling)
    telling("everybody looks once more")
    await crowd.look_once_more()
    await crowd.close()
    telling("healed; comparing")
    charges = await bad.charges()
    code, checked = await asyncio.to_thread(running.runs, "check")
    return Result(
        compare(crowd, running.superuser_url(), charges, liar.told, differences),
        dict(sorted(fire.done.items())),
        bad.struck,
        fire.missing() + bad.missing() + too_few,
        room.left_out,
        dict(sorted(crowd.answers.items())),
        checked,
        code,
        time.monotonic() - started,
    )


@contextlib.asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this beside the block, which fails with it; it is over, and undone, when the block is."""
    body = asyncio.current_task()
    task = asyncio.create_task(work)

    def interrupt(done: asyncio.Task[None]) -> None:
        if not done.cancelled() and done.exception() is not None and body is not None:
            body.cancel()

    task.add_done_callback(interrupt)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
