"""Outages: the database is away or stands still for seconds, so that gifts go into the journal."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from chaos.disk import Room
from support.serving import Serving

BACK_S_MAX = 60.0
METRICS_TRIES = 5
REFUSED_S_MAX = 10.0
NOTICED_S = 2.0
"""By then the program knows that a database is away: its own wait is a second and a half."""
HANG_NOTICED_S = 6.0
"""By then it knows of one that hangs, because it broke off its connections."""

KEPT = ("almoner_journal_kept_total", "")


class NotNowError(Exception):
    """The victim is not there at this moment."""


class Outages:
    """Takes the database away, and remembers when it was."""

    def __init__(self, running: Serving, room: Room, seed: int, seconds: tuple[float, float]):
        self._running = running
        self._room = room
        self._random = random.Random(seed)
        self._seconds = seconds
        self._windows: list[tuple[float, float]] = []
        self._since: float | None = None

    def covered(self, since: float, until: float) -> bool:
        """Whether there was no database from one moment to the other."""
        if self._since is not None and self._since <= since:
            return True
        return any(start <= since and until <= end for start, end in self._windows)

    async def away(self) -> bool:
        """PostgreSQL is killed and stays away for seconds, because nobody starts it again."""
        return await self._outage(self._gone(), NOTICED_S)

    async def hangs(self) -> bool:
        """PostgreSQL and all its processes stand still for seconds: connected, and silent."""
        return await self._outage(self._frozen(), HANG_NOTICED_S)

    async def orphaned(self) -> bool:
        """While the database is away, a web process that keeps gifts is killed as well."""
        return await self._outage(self._gone(), NOTICED_S, kill_web=True)

    async def no_room(self) -> bool:
        """The database is away or stands still, and then the journal has no room either."""
        refused = ("almoner_journal_refused_total", self._room.why)
        try:
            frozen = self._random.random() < 0.3
            async with self._frozen() if frozen else self._gone():
                await asyncio.sleep(HANG_NOTICED_S if frozen else NOTICED_S)
                before = await self._counted(refused)
                try:
                    self._room.fill()
                    after = await self._counted_above(before, refused)
                    await asyncio.sleep(self._random.uniform(*self._seconds) / 2)
                finally:
                    self._room.empty()
                await asyncio.sleep(1.0)  # there is room again, and still no database
        except NotNowError:
            return False
        await self._until_back()
        return after > before

    async def _outage(
        self,
        outage: AbstractAsyncContextManager[None],
        noticed_s: float,
        *,
        kill_web: bool = False,
    ) -> bool:
        """One outage; it counts if gifts went into the journal meanwhile."""
        try:
            before = await self._counted(KEPT)
            async with outage:
                await asyncio.sleep(noticed_s + self._random.uniform(*self._seconds))
                after = await self._counted(KEPT)
                if kill_web:
                    self._kill_a_web_process()
                    await asyncio.sleep(1.0)
        except NotNowError:
            return False
        await self._until_back()
        return after > before

    def _kill_a_web_process(self) -> None:
        found = self._running.children("web")
        if not found:
            raise NotNowError
        os.kill(self._random.choice(sorted(found)), signal.SIGKILL)

    @asynccontextmanager
    async def _gone(self) -> AsyncIterator[None]:
        """kill -9, and the supervisor stands still: it would start another at once."""
        pid = self._postgres()
        os.kill(self._running.process.pid, signal.SIGSTOP)
        try:
            os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.5)  # its backends notice
            with self._window():
                yield
        finally:
            os.kill(self._running.process.pid, signal.SIGCONT)

    @asynccontextmanager
    async def _frozen(self) -> AsyncIterator[None]:
        pids = [self._postgres()]
        os.kill(pids[0], signal.SIGSTOP)
        try:
            pids += [child for child in children_of(pids[0]) if send(child, signal.SIGSTOP)]
            await asyncio.sleep(0.1)
            with self._window():
                yield
        finally:
            for pid in reversed(pids):
                send(pid, signal.SIGCONT)

    @contextmanager
    def _window(self) -> Iterator[None]:
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._windows.append((self._since, time.monotonic()))
            self._since = None

    def _postgres(self) -> int:
        found = self._running.children_named("postgres")
        if not found:
            raise NotNowError
        return found[0]

    async def _until_back(self) -> None:
        deadline = time.monotonic() + BACK_S_MAX
        while time.monotonic() < deadline:
            if await asyncio.to_thread(self._answers):
                return
            await asyncio.sleep(0.2)
        raise TimeoutError("the database never came back")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._running.superuser_url(), connect_timeout=5).close()
        except (psycopg.OperationalError, OSError):
            return False
        return True

    async def _counted_above(self, before: float, name: tuple[str, str]) -> float:
        """A counter, as soon as it has moved; a last page of the disk still takes a few gifts."""
        after = before
        deadline = time.monotonic() + REFUSED_S_MAX
        while after <= before and time.monotonic() < deadline:
            await asyncio.sleep(0.3)
            after = await self._counted(name)
        return after

    async def _counted(self, name: tuple[str, str]) -> float:
        """A counter of all web processes together, dead ones as well; of one reason, or all.

        Asked several times: the first connection may wait for a process that was just killed.
        """
        for _ in range(METRICS_TRIES):
            try:
                async with httpx.AsyncClient(base_url=self._running.url, trust_env=False) as client:
                    text = (await client.get("/metrics", timeout=2)).text
            except httpx.TransportError:
                continue
            return sum(
                sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name == name[0] and name[1] in ("", sample.labels.get("why"))
            )
        raise NotNowError


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; whether there was somebody."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def children_of(pid: int) -> list[int]:
    """PostgreSQL's own processes: its backends would go on without their parent."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(child) for child in found.split()]
