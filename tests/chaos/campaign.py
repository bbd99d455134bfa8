"""One campaign: load and fire, then healing, then the audit."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from msgspec import Struct

from chaos.audit import Audit, compare
from chaos.donors import Crowd
from chaos.faults import Fire
from support.serving import Serving, serving

QUICK = {
    "sandbox_latency_ms": "150",
    "gateway_deadline_ms": "1500",
    "database_wait_ms": "2000",
    # The sandbox may still file a charge five seconds after its database came back.
    "resolver_first_miss_s": "8",
    "resolver_second_miss_s": "10",
}
"""A time-out of seconds instead of a minute, so that a campaign takes minutes instead of days."""

HEAL_S_MAX = 240.0


class Plan(Struct, frozen=True):
    """How much load for how long, and how often something breaks."""

    donations: int
    donors: int
    seconds_max: float
    every_s: float
    seed: int


class Result(Struct):
    """What a campaign showed."""

    audit: Audit
    faults: dict[str, int]
    missing: list[str]
    answers: dict[str, int]
    checked: dict[str, Any]
    check_code: int
    seconds: float


async def run(plan: Plan, data_dir: Path, say: Callable[[str], None]) -> Result:
    """Run one campaign on a fresh installation in `data_dir`."""
    started = time.monotonic()
    with serving(data_dir, **QUICK) as running:
        fire = Fire(running, plan.seed + 1, every_s=plan.every_s)

        def enough(begun: int) -> bool:
            return begun >= plan.donations and not fire.missing()

        crowd = Crowd(running.url, plan.seed, enough, plan.seconds_max)
        raging = asyncio.create_task(fire.rage())
        await crowd.give(plan.donors)
        raging.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await raging
        say(f"{len(crowd.promises)} gifts begun under fire; healing")
        await heal(running)
        await crowd.insist(HEAL_S_MAX)
        await heal(running)
        say("healed; comparing")
        _, charges = running.runs("sandbox", "charges")
        code, checked = running.runs("check")
        audit = compare(crowd, running.superuser_url(), charges["charges"])
    return Result(
        audit,
        dict(sorted(fire.done.items())),
        fire.missing(),
        dict(sorted(crowd.answers.items())),
        checked,
        code,
        time.monotonic() - started,
    )


async def heal(running: Serving) -> None:
    """Wait until no charge is in doubt.

    The schedule of look-ups stays; only its hours are made seconds. A look-up that is under way
    must have its time: making its attempt due again takes it away.
    """
    deadline = time.monotonic() + HEAL_S_MAX
    while time.monotonic() < deadline:
        try:
            left = _make_due(running)
        except psycopg.OperationalError:
            left = -1  # still starting again
        if not left:
            return
        await asyncio.sleep(4)
    raise TimeoutError("some doubt was never resolved")


def _make_due(running: Serving) -> int:
    with psycopg.connect(running.superuser_url(), connect_timeout=5) as connection:
        return connection.execute(
            "UPDATE payment_attempt SET next_check_at = now(), version = version + 1 "
            "WHERE state IN ('PREPARED', 'DISPATCHED', 'UNKNOWN', 'LATE_SUCCESS')"
        ).rowcount
