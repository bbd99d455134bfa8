"""Watch: learn of changes to donations on behalf of pages that are open.

One question to the database for all donations that are watched, never one for each watcher: at
once for those that were told to have changed (`donations/changes.py`), and every few seconds for
all, because a message may be lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import structlog

from almoner.donations.show import DonationView
from almoner.platform.clock import jitter
from almoner.platform.errors import Overloaded, Unavailable

log = structlog.get_logger(__name__)

FIRST_LOOK_S: Final = 2.0
LOOK_S_MAX: Final = 15.0
GROWTH: Final = 1.5
TOGETHER_S: Final = 0.5
"""Looks that would follow each other within this time are one."""

ASKED_MAX: Final = 500
WATCHERS_PER_DONATION_MAX: Final = 5
"""A page or two, and what a reload leaves behind for a moment."""

ReadMany = Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, DonationView]]]


class Watch:
    """One page that watches one donation."""

    def __init__(self) -> None:
        self._newest: DonationView | None = None
        self._news = asyncio.Event()
        self.ended = False

    def put(self, view: DonationView) -> None:
        """News, unless it is older than what is known."""
        if self._newest is None or view.version > self._newest.version:
            self._newest = view
            self._news.set()

    def end(self) -> None:
        """The process stops: whoever waits must look elsewhere."""
        self.ended = True
        self._news.set()

    async def next(self, wait_s: float) -> DonationView | None:
        """The next news; None when there are none within `wait_s`, or `ended`."""
        try:
            async with asyncio.timeout(wait_s):
                await self._news.wait()
        except TimeoutError:
            return None
        if self.ended:
            return None
        self._news.clear()
        return self._newest


class _Watched:
    """A donation with those who watch it, and when to look at it again."""

    __slots__ = ("look_at_s", "pause_s", "version", "watches")

    def __init__(self, now_s: float) -> None:
        self.watches: list[Watch] = []
        self.version = 0
        self.pause_s = FIRST_LOOK_S
        self.look_at_s = now_s + FIRST_LOOK_S

    def put(self, view: DonationView | None, now_s: float) -> None:
        """What a look showed; when there was nothing new the next one comes later."""
        if view is not None and view.version > self.version:
            self.version = view.version
            self.pause_s = FIRST_LOOK_S
            for watch in self.watches:
                watch.put(view)
        else:
            self.pause_s = min(self.pause_s * GROWTH, LOOK_S_MAX)
        self.look_at_s = now_s + self.pause_s * jitter().uniform(0.8, 1.2)


class Watching:
    """Everything that is watched through this process."""

    def __init__(self, read_many: ReadMany) -> None:
        self._read_many = read_many
        self._watched: dict[UUID, _Watched] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    async def open(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="watching")

    async def close(self) -> None:
        """End every watch."""
        self.end()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def end(self) -> None:
        """End every watch there is, and every new one at once: the process is about to stop."""
        self._ended = True
        for watched in self._watched.values():
            for watch in watched.watches:
                watch.end()

    def changed(self, donation_ids: Iterable[UUID]) -> None:
        """These may have changed: look at once at those that are watched here."""
        for donation_id in donation_ids:
            if watched := self._watched.get(donation_id):
                watched.look_at_s = 0.0
                self._wake.set()

    def changed_perhaps(self) -> None:
        """Any may have changed: look at all of them at once."""
        self.changed(list(self._watched))

    @contextmanager
    def watch(self, donation_id: UUID) -> Iterator[Watch]:
        """Watch a donation for as long as it lasts. Raises Overloaded when too many do."""
        now_s = asyncio.get_running_loop().time()
        watched = self._watched.setdefault(donation_id, _Watched(now_s))
        if len(watched.watches) >= WATCHERS_PER_DONATION_MAX:
            raise Overloaded
        watch = Watch()
        if self._ended:
            watch.end()
        watched.watches.append(watch)
        self._wake.set()
        try:
            yield watch
        finally:
            watched.watches.remove(watch)
            if not watched.watches:
                del self._watched[donation_id]

    async def _run(self) -> None:
        while True:
            await self._until_due()
            try:
                await self._look()
            except Unavailable:
                log.warning("watching_waits", watched=len(self._watched))
            except Exception:
                log.exception("watching_failed")

    async def _until_due(self) -> None:
        """Wait until a donation is to be looked at; anything new may be due earlier."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            due_s = min((w.look_at_s for w in self._watched.values()), default=None)
            if due_s is not None and due_s <= loop.time():
                return
            try:
                async with asyncio.timeout_at(due_s):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        soon_s = loop.time() + TOGETHER_S
        due = [i for i, w in self._watched.items() if w.look_at_s <= soon_s][:ASKED_MAX]
        seen: Mapping[UUID, DonationView] = {}
        # Until the answer is here, a message that comes meanwhile must count as a new one.
        for donation_id in due:
            self._watched[donation_id].look_at_s = loop.time() + LOOK_S_MAX
        try:
            seen = await self._read_many(due)
        finally:
            for donation_id in due:
                watched = self._watched.get(donation_id)
                if watched is not None and watched.look_at_s > 0:
                    watched.put(seen.get(donation_id), loop.time())
