"""Donors: impatient people with browsers, who remember everything they were told."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
from msgspec import Struct

from support.donor import gift

AMOUNTS = ("12.00", "25.50", "7.77", "100.00", "2001.00")
"""The last one is declined by the sandbox's published rules."""

FINAL = (201, 402)
RANK = {"pending": 0, "processing": 1, "success": 2, "failure": 2}
"""What a donor may see after what: never a smaller number."""

STATUS_OF_ANSWER = {201: "success", 202: "processing", 402: "failure"}


class Told(Struct, frozen=True):
    """One thing that a donor was told about a donation."""

    donation_id: str
    status: str
    transaction_id: str | None


class Promise(Struct):
    """One gift as its donor knows it: the key, the body, and everything told of it, in order."""

    key: str
    body: dict[str, Any]
    told: list[Told] = []
    bodies: list[bytes] = []
    tries: int = 0
    refused: bool = False
    read_token: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the donor was told "paid" or "not charged", or that this was no new gift."""
        return self.refused or bool(self.told and self.told[-1].status in ("success", "failure"))


class Crowd:
    """So many donors at once, one gift after the other, until it is enough.

    `enough` is asked with the number of gifts that were begun.
    """

    def __init__(
        self, url: str, seed: int, enough: Callable[[int], bool], seconds_max: float
    ) -> None:
        self.url = url
        self.random = random.Random(seed)
        self.enough = enough
        self.until = time.monotonic() + seconds_max
        self.promises: list[Promise] = []
        self.answers: Counter[str] = Counter()

    async def give(self, donors: int) -> None:
        """Let them all give."""
        await asyncio.gather(*(self._donor() for _ in range(donors)))

    async def insist(self, seconds_max: float) -> None:
        """Everybody who does not know yet asks again with the key they kept, until they do."""
        self.until = time.monotonic() + seconds_max
        open_ones = [promise for promise in self.promises if not promise.is_final]
        for start in range(0, len(open_ones), 64):
            await asyncio.gather(*(self._repeat(p) for p in open_ones[start : start + 64]))

    async def _donor(self) -> None:
        while not self.enough(len(self.promises)) and time.monotonic() < self.until:
            promise = Promise(str(uuid4()), gift(amount=self.random.choice(AMOUNTS)), [], [])
            self.promises.append(promise)
            habit = self.random.random()
            if habit < 0.1:  # double click
                await asyncio.gather(self._post(promise), self._post(promise))
            elif habit < 0.2:  # closes the page in the middle, and comes back
                await self._closes_the_page(promise)
            elif habit < 0.25:  # comes back with a new page, so with a new key
                await self._comes_back_with_another_key(promise)
            await self._repeat(promise)

    async def _closes_the_page(self, promise: Promise) -> None:
        task = asyncio.create_task(self._post(promise))
        await asyncio.sleep(self.random.uniform(0.0, 0.3))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _comes_back_with_another_key(self, promise: Promise) -> None:
        """The same gift again, minutes later, because nobody knows about the first one.

        It may be refused ("did you mean two gifts?"), which then is the true and final answer to
        the second key: the first key stays open.
        """
        await self._post(promise)
        second = Promise(str(uuid4()), dict(promise.body), [], [])
        self.promises.append(second)
        await self._repeat(second)

    async def _repeat(self, promise: Promise) -> None:
        while not promise.is_final and time.monotonic() < self.until:
            await self._post(promise)
            if promise.told and self.random.random() < 0.5:
                await self._look(promise)
            if not promise.is_final:
                await asyncio.sleep(self.random.uniform(0.05, 0.4))

    async def _post(self, promise: Promise) -> None:
        promise.tries += 1
        try:
            async with httpx.AsyncClient(base_url=self.url, timeout=25, trust_env=False) as client:
                answer = await client.post(
                    "/donations", json=promise.body, headers={"Idempotency-Key": promise.key}
                )
        except httpx.TransportError:
            self.answers["no answer"] += 1
            return
        self.answers[str(answer.status_code)] += 1
        if answer.status_code in STATUS_OF_ANSWER:
            self._hear(promise, answer)
        elif answer.status_code == 409 and answer.json()["code"] == "possible_duplicate":
            promise.refused = True

    async def _look(self, promise: Promise) -> None:
        """Ask for the donation's state, as the status page does."""
        try:
            async with httpx.AsyncClient(base_url=self.url, timeout=25, trust_env=False) as client:
                seen = await client.get(
                    f"/donations/{promise.told[-1].donation_id}",
                    headers={"Authorization": f"Bearer {promise.read_token}"},
                )
        except httpx.TransportError:
            return
        self.answers[f"look {seen.status_code}"] += 1
        if seen.status_code == 200:
            found = seen.json()
            promise.told.append(
                Told(found["donation_id"], found["status"], found["transaction_id"])
            )

    def _hear(self, promise: Promise, answer: httpx.Response) -> None:
        body = answer.json()
        promise.read_token = body["read_token"]
        promise.told.append(
            Told(
                body["donation_id"],
                STATUS_OF_ANSWER[answer.status_code],
                body.get("transaction_id"),
            )
        )
        if answer.status_code in FINAL:
            promise.bodies.append(answer.content)
