"""Healing: hours made seconds, until nothing is in doubt, on its way, or waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg

from support.serving import Serving

HEAL_S_MAX = 900.0
AGAIN_S = 2.0
MATCHES_MAX = 4

# Making an attempt due is no move: whoever is looking at it may still write down what was seen.
# `looked_at` lies ahead by the lease of ninety seconds while somebody looks; a look-up that was
# begun has five of them, which is more than the gateway's deadline here.
_NOBODY_LOOKS = "coalesce(looked_at <= now() + interval '85 seconds', true)"
_DUE = (
    "UPDATE payment_attempt SET next_check_at = now() "
    "WHERE state IN ('PREPARED', 'DISPATCHED', 'UNKNOWN', 'LATE_SUCCESS') "
    f"AND next_check_at > now() AND {_NOBODY_LOOKS}",
    "UPDATE money_return SET next_try_at = now() WHERE done_at IS NULL AND next_try_at > now()",
    "UPDATE webhook SET next_try_at = now() WHERE processed_at IS NULL AND parked_at IS NULL "
    "AND next_try_at > now()",
)
_FINAL_NO_DUE = (
    "UPDATE payment_attempt SET next_check_at = now() WHERE next_check_at IS NOT NULL "
    f"AND {_NOBODY_LOOKS}",
)
_WAITING = {
    "attempts in doubt": "SELECT count(*) FROM payment_attempt WHERE state IN "
    "('PREPARED', 'DISPATCHED', 'UNKNOWN', 'LATE_SUCCESS')",
    "attempts that are due": "SELECT count(*) FROM payment_attempt WHERE next_check_at <= now()",
    "money on its way back": "SELECT count(*) FROM money_return WHERE done_at IS NULL",
    "webhooks not worked off": "SELECT count(*) FROM webhook "
    "WHERE processed_at IS NULL AND parked_at IS NULL",
}
_SANDBOX_DUE = (
    "UPDATE sandbox_notice SET due_at = now() WHERE ended_at IS NULL AND tries > 0 "
    "AND due_at > now() + interval '5 seconds'",
)
_SANDBOX_WAITING = {
    "webhooks not told": "SELECT count(*) FROM sandbox_notice WHERE ended_at IS NULL",
    "charges still to come": "SELECT count(*) FROM sandbox_charge WHERE charged_at > now() "
    "OR captures_at > now() OR visible_at > now()",
}


async def heal(running: Serving, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Wait until nothing is left to do. The schedules stay; only their hours are made seconds.

    What a lost webhook had to tell is found as in life: by the second look at a final no, and by
    the daily match. Gives the differences that stay. Raises TimeoutError, with what is left to do.
    """
    until = time.monotonic() + HEAL_S_MAX
    await _quiet(running, until)
    await _run(running, "sandbox", "settle")
    await _run(running, "settlement", "import")
    await asyncio.to_thread(_change, running.superuser_url(), _FINAL_NO_DUE)
    await _quiet(running, until)
    before: list[dict[str, Any]] = []
    for _ in range(MATCHES_MAX):
        _, found = await asyncio.to_thread(running.runs, "match")
        now = [{name: d[name] for name in ("kind", "subject")} for d in found["differences"]]
        if now == before:
            break
        before = now
        say(f"the match has found {len(before)} differences; they are looked up")
        await _quiet(running, until)
    return before


async def _run(running: Serving, *words: str) -> int:
    code, _ = await asyncio.to_thread(running.runs, *words)
    return int(code)


async def _quiet(running: Serving, until: float) -> None:
    left: dict[str, int] = {}
    while time.monotonic() < until:
        try:
            left = await asyncio.to_thread(_step, running)
        except psycopg.OperationalError:
            left = {"databases that are away": 1}
        if not any(left.values()):
            return
        await asyncio.sleep(AGAIN_S)
    raise TimeoutError(f"never over: { ({name: n for name, n in left.items() if n}) }")


def _step(running: Serving) -> dict[str, int]:
    ours, theirs = running.superuser_url(), running.superuser_url(sandbox=True)
    _change(ours, _DUE)
    _change(theirs, _SANDBOX_DUE)
    return _count(theirs, _SANDBOX_WAITING) | _count(ours, _WAITING)


def _change(url: str, statements: tuple[str, ...]) -> None:
    with psycopg.connect(url, connect_timeout=5) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _count(url: str, questions: dict[str, str]) -> dict[str, int]:
    with psycopg.connect(url, connect_timeout=5) as connection:
        return {
            name: int((connection.execute(sql.encode()).fetchone() or (0,))[0])
            for name, sql in questions.items()
        }
