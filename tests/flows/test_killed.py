"""Processes killed in the middle of charges: nothing doubled, nothing lost, nothing untrue."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from uuid import uuid4

import httpx

from support.donor import gift
from support.serving import Serving, serving

QUICK = {"sandbox_latency_ms": "700", "gateway_deadline_ms": "1000"}
"""A gateway of 0.7 s, and a resolver that looks at an orphan six seconds after its dispatch."""


async def give(client: httpx.AsyncClient, key: str, email: str) -> httpx.Response | None:
    """Post a gift; None when the connection broke."""
    try:
        return await client.post(
            "/donations", json=gift(email=email), headers={"Idempotency-Key": key}
        )
    except httpx.TransportError:
        return None


async def until_nothing_is_open(running: Serving) -> dict[str, object]:
    """Wait until the resolver has settled everything; gives the last check, which must hold."""
    deadline = time.monotonic() + 60
    while True:
        code, found = running.runs("check")
        assert code == 0, found
        if not found["attempts_open"] or time.monotonic() > deadline:
            result: dict[str, object] = found
            return result
        await asyncio.sleep(1)


async def test_kill_minus_nine_in_the_middle_of_charges(tmp_path: Path) -> None:
    """Everything dies while twenty charges are under way. After a restart each donor repeats the
    request with the key it kept: each is charged once, and both records agree."""
    keys = [(str(uuid4()), f"donor{n}@example.com") for n in range(20)]
    first = Serving(tmp_path / "data", **QUICK)
    async with first.client() as client:
        gifts = [asyncio.create_task(give(client, key, email)) for key, email in keys]
        await asyncio.sleep(0.5)
        first.kill()
        told = await asyncio.gather(*gifts)

    with serving(tmp_path / "data", **QUICK) as second:
        found = await until_nothing_is_open(second)
        async with second.client() as client:
            again = await asyncio.gather(*(give(client, key, email) for key, email in keys))
        code, charges = second.runs("sandbox", "charges")

    assert any(a is None or a.status_code != 201 for a in told), "the kill came too late"
    assert {a.status_code for a in told if a is not None} <= {201, 202, 500, 503}
    assert [a.status_code for a in again if a is not None] == [201] * 20
    assert code == 0
    assert charges["captured"] == 20
    assert found["attempts_open"] == 0


async def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    """Killed under a charge, and nobody starts it again: every process ends by itself, although
    the outcome cannot be written any more. The resolver of the next start finds it."""
    running = Serving(tmp_path / "data", **QUICK)
    async with running.client() as client:
        gift = asyncio.create_task(give(client, str(uuid4()), "orphan@example.com"))
        await asyncio.sleep(0.5)
        assert running.survivors()
        running.kill()
        await gift

    deadline = time.monotonic() + 40
    while (left := running.survivors()) and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(0.5)

    assert left == []


async def test_a_killed_web_process_is_replaced_and_its_charges_are_found(tmp_path: Path) -> None:
    """One of the web processes dies under its charges; the supervisor starts another, the
    resolver finds what the dead one left."""
    with serving(tmp_path / "data", **QUICK) as running:
        keys = [(str(uuid4()), f"donor{n}@example.com") for n in range(20)]
        clients = [running.client() for _ in keys]  # one connection each: both processes get some
        gifts = [
            asyncio.create_task(give(client, *key))
            for client, key in zip(clients, keys, strict=True)
        ]
        await asyncio.sleep(0.5)
        victim = running.children("web")[0]
        os.kill(victim, signal.SIGKILL)
        told = await asyncio.gather(*gifts)
        await asyncio.gather(*(client.aclose() for client in clients))
        await until_nothing_is_open(running)
        async with running.client() as client:
            again = await asyncio.gather(*(give(client, key, email) for key, email in keys))
        code, charges = running.runs("sandbox", "charges")

        assert {a.status_code for a in told if a is not None} <= {201}
        assert [a.status_code for a in again if a is not None] == [201] * 20
        assert (code, charges["captured"]) == (0, 20)
        assert victim not in running.children("web")
        assert len(running.children("web")) == 2


async def test_a_stop_in_the_middle_of_charges_finishes_them(tmp_path: Path) -> None:
    """SIGTERM lets charges under way end and be booked before the database stops."""
    first = Serving(tmp_path / "data", **QUICK)
    async with first.client() as client:
        gifts = [
            asyncio.create_task(give(client, str(uuid4()), f"d{n}@example.com")) for n in range(10)
        ]
        await asyncio.sleep(0.4)
        code = await asyncio.to_thread(first.stop)
        told = await asyncio.gather(*gifts)

    with serving(tmp_path / "data", **QUICK) as second:
        checked, found = second.runs("check")

    assert code == 0
    assert [a.status_code for a in told if a is not None] == [201] * 10
    assert (checked, found["attempts_open"], found["charges_matched"]) == (0, 0, 10)
