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

AMOUNTS = ("12.00", "25.50", "7.77", "100.00", "64.00", "2001.00")
"""The last one is declined by the sandbox's published rules; `weather.py` spoils the others."""

FINAL = (201, 402)
RANK = {"pending": 0, "processing": 1, "success": 2, "failure": 2}
"""What a donor may see after what: never a smaller number."""

STATUS_OF_ANSWER = {201: "success", 202: "processing", 402: "failure"}
AT_ONCE = 32

AwayThroughout = Callable[[float, float], bool]
"""Whether the database was away from one moment to another, all the time."""


class Told(Struct, frozen=True):
    """One thing that a donor was told about a donation. `version` is there in a look.

    `code` is the status of the answer. `asked_at` and `heard_at` are on the clock of the donors:
    two requests of a double click are under way at once, and their answers may come in either
    order.
    """

    donation_id: str
    status: str
    transaction_id: str | None
    version: int | None = None
    code: int = 200
    asked_at: float = 0.0
    heard_at: float = 0.0

    def crossed(self, other: Told) -> bool:
        """Whether this was asked before the other was heard, so that it may be the older one."""
        return self.asked_at < other.heard_at

    def __str__(self) -> str:
        """In a breach: what was told, by which answer, from when to when."""
        version = "" if self.version is None else f" of version {self.version}"
        return f"{self.status} ({self.code}{version}, {self.asked_at:.3f} to {self.heard_at:.3f})"


class Promise(Struct):
    """One gift as its donor knows it: the key, the body, and everything told of it, in order.

    `kept` says that it was acknowledged while there was no database, so by the journal alone.
    """

    key: str
    body: dict[str, Any]
    told: list[Told] = []
    bodies: list[bytes] = []
    tries: int = 0
    refused: bool = False
    read_token: str = ""
    kept: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the donor was told "paid" or "not charged", or that this was no new gift."""
        return self.refused or bool(self.told and self.told[-1].status in ("success", "failure"))

    @property
    def knows_more_than_the_journal(self) -> bool:
        """Whether something was told of it that stood in the database.

        A process that keeps a gift while it reaches no database cannot know what another one has
        done with it. It says so by `kept` or by version 0, and the page drops that behind anything
        newer.
        """
        return any(told.version or RANK[told.status] == 2 for told in self.told)


class Crowd:
    """So many donors at once, one gift after the other, until it is enough.

    `enough` is asked with the number of gifts that were begun.
    """

    def __init__(
        self,
        url: str,
        seed: int,
        enough: Callable[[int], bool],
        seconds_max: float,
        away: AwayThroughout = lambda _since, _until: False,
    ) -> None:
        self.url = url
        self.random = random.Random(seed)
        self.enough = enough
        self.until = time.monotonic() + seconds_max
        self.away = away
        self.promises: list[Promise] = []
        self.answers: Counter[str] = Counter()
        # A connection for each request, so that donors meet every web process.
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=25,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def give(self, donors: int) -> None:
        """Let them all give."""
        await asyncio.gather(*(self._donor() for _ in range(donors)))

    async def insist(self, seconds_max: float) -> None:
        """Everybody who does not know yet asks again with the key they kept, until they do."""
        self.until = time.monotonic() + seconds_max
        open_ones = [promise for promise in self.promises if not promise.is_final]
        for start in range(0, len(open_ones), AT_ONCE):
            await asyncio.gather(*(self._repeat(p) for p in open_ones[start : start + AT_ONCE]))

    async def look_once_more(self) -> None:
        """Everybody comes back the next day and looks what has become of the gift."""
        known = [promise for promise in self.promises if promise.told]
        for start in range(0, len(known), AT_ONCE):
            await asyncio.gather(*(self._look(p) for p in known[start : start + AT_ONCE]))

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
            await self._repeat(promise, self.random.uniform(4, 12))

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
        await self._repeat(second, self.random.uniform(4, 12))

    async def _repeat(self, promise: Promise, patience_s: float = float("inf")) -> None:
        """Ask until it is known. Who runs out of patience comes back when all is over."""
        until = min(self.until, time.monotonic() + patience_s)
        while not promise.is_final and time.monotonic() < until:
            await self._post(promise)
            if promise.told and self.random.random() < 0.5:
                await self._look(promise)
            if not promise.is_final:
                await asyncio.sleep(self.random.uniform(0.05, 0.4))

    async def _post(self, promise: Promise) -> None:
        promise.tries += 1
        since = time.monotonic()
        try:
            answer = await self._client.post(
                "/donations", json=promise.body, headers={"Idempotency-Key": promise.key}
            )
        except httpx.TransportError:
            self.answers["no answer"] += 1
            return
        self.answers[str(answer.status_code)] += 1
        if answer.status_code in STATUS_OF_ANSWER:
            self._hear(promise, answer, since)
            if answer.status_code == 202 and self.away(since, time.monotonic()):
                promise.kept = True
        elif answer.status_code == 409 and answer.json()["code"] == "possible_duplicate":
            promise.refused = True

    async def _look(self, promise: Promise) -> None:
        """Ask for the donation's state, as the status page does."""
        since = time.monotonic()
        try:
            seen = await self._client.get(
                f"/donations/{promise.told[-1].donation_id}",
                headers={"Authorization": f"Bearer {promise.read_token}"},
            )
        except httpx.TransportError:
            return
        self.answers[f"look {seen.status_code}"] += 1
        if seen.status_code == 200:
            found = seen.json()
            if found["version"] == 0 and promise.knows_more_than_the_journal:
                self.answers["look dropped: the journal's, and older"] += 1
                return
            promise.told.append(
                Told(
                    found["donation_id"],
                    found["status"],
                    found["transaction_id"],
                    found["version"],
                    asked_at=since,
                    heard_at=time.monotonic(),
                )
            )

    def _hear(self, promise: Promise, answer: httpx.Response, since: float) -> None:
        body = answer.json()
        promise.read_token = body["read_token"]
        if body.get("kept") and promise.knows_more_than_the_journal:
            self.answers["202 dropped: the journal's, and older"] += 1
            return
        promise.told.append(
            Told(
                body["donation_id"],
                STATUS_OF_ANSWER[answer.status_code],
                body.get("transaction_id"),
                code=answer.status_code,
                asked_at=since,
                heard_at=time.monotonic(),
            )
        )
        if answer.status_code in FINAL:
            promise.bodies.append(answer.content)
