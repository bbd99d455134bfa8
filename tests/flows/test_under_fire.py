"""Donors give while processes are killed around them; then three truths are compared."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg

from support.donor import gift
from support.serving import Serving, serving

SECONDS = 12
DONORS = 24
QUICK = {
    "sandbox_latency_ms": "150",
    "gateway_deadline_ms": "1000",
    "database_wait_ms": "2000",
    # The sandbox may still file a charge five seconds after its database came back.
    "resolver_first_miss_s": "8",
    "resolver_second_miss_s": "10",
}
VICTIMS = ("web", "worker", "postgres", "valkey")


class Gift:
    """One donor's gift: its key, its body, and the last thing that was told of it."""

    def __init__(self) -> None:
        self.key = str(uuid4())
        self.body = gift(amount=random.choice(["12.00", "25.50", "2001.00"]))
        self.answer: httpx.Response | None = None

    @property
    def is_final(self) -> bool:
        """Whether the donor was told "paid" or "not charged"."""
        return self.answer is not None and self.answer.status_code in (201, 402)

    async def repeat(self, url: str, until: float, told: Counter[int]) -> None:
        """Send it with the same key until the answer is final."""
        while not self.is_final:
            try:
                async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as client:
                    self.answer = await client.post(
                        "/donations", json=self.body, headers={"Idempotency-Key": self.key}
                    )
            except httpx.TransportError:
                told[0] += 1
            else:
                told[self.answer.status_code] += 1
            if time.monotonic() > until:
                return
            await asyncio.sleep(0.1)


async def one_gift_after_the_other(url: str, until: float, told: Counter[int]) -> list[Gift]:
    """A donor for as long as it lasts."""
    gifts = []
    while time.monotonic() < until:
        gifts.append(Gift())
        await gifts[-1].repeat(url, until, told)
    return gifts


async def heal(running: Serving) -> None:
    """Let the resolver look at every doubt every few seconds, until none is left.

    A look-up that is under way must have its time: making its attempt due again takes it away.
    """
    for _ in range(20):
        with psycopg.connect(running.superuser_url()) as connection:
            left = connection.execute(
                "UPDATE payment_attempt SET next_check_at = now(), version = version + 1 "
                "WHERE state IN ('DISPATCHED', 'UNKNOWN')"
            ).rowcount
        if not left:
            return
        await asyncio.sleep(4)
    raise TimeoutError("some doubt was never resolved")


def process_of(running: Serving, victim: str) -> int | None:
    """Some process of that kind."""
    words = {"postgres": "postgres", "valkey": "valkey"}
    found = running.children(victim) or running.children_named(words.get(victim, ""))
    return random.choice(found) if found else None


async def kill_one_after_the_other(running: Serving, until: float) -> Counter[str]:
    """kill -9, every second another kind."""
    killed: Counter[str] = Counter()
    for number in range(1000):
        await asyncio.sleep(1.0)
        if time.monotonic() > until:
            break
        victim = VICTIMS[number % len(VICTIMS)]
        pid = await asyncio.to_thread(process_of, running, victim)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            killed[victim] += 1
    return killed


async def test_what_donors_were_told_is_what_was_charged_under_fire(tmp_path: Path) -> None:
    """Every 201 is one captured charge with that transaction, every captured charge is one 201,
    and the books agree; every kind of process was killed meanwhile."""
    random.seed(20261122)
    with serving(tmp_path / "data", **QUICK) as running:
        told: Counter[int] = Counter()
        until = time.monotonic() + SECONDS
        killing = asyncio.create_task(kill_one_after_the_other(running, until))
        found = await asyncio.gather(
            *(one_gift_after_the_other(running.url, until, told) for _ in range(DONORS))
        )
        killed = await killing
        gifts = [gift for donor in found for gift in donor]
        await asyncio.sleep(6)
        await heal(running)
        again = time.monotonic() + 30
        await asyncio.gather(*(gift.repeat(running.url, again, told) for gift in gifts))
        _, charges = running.runs("sandbox", "charges")
        code, checked = running.runs("check")

    assert all(gift.is_final for gift in gifts), told
    paid = [g.answer.json() for g in gifts if g.answer and g.answer.status_code == 201]
    captured = {c["transaction_id"] for c in charges["charges"] if c["captured"]}
    assert set(killed) == set(VICTIMS), killed
    assert told[201] >= 20, told
    assert {answer["transaction_id"] for answer in paid} == captured
    assert len(paid) == len({answer["donation_id"] for answer in paid}) == charges["captured"]
    assert (code, checked["attempts_open"]) == (0, 0), checked
    assert set(told) <= {0, 201, 202, 402, 409, 500, 503}, told
