"""The last known answer to each question: fresh for seconds, kept for when nobody can be asked."""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from almoner.platform.errors import Unavailable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Entry(Generic[V]):
    __slots__ = ("fresh_until", "retry_at", "value")

    def __init__(self, value: V, fresh_until: float) -> None:
        self.value = value
        self.fresh_until = fresh_until
        self.retry_at = 0.0


class LastKnown(Generic[K, V]):
    """A bounded cache in this process.

    One question is asked once at a time, whoever wants it. Lifetimes differ a little, so that
    what was filled together is not asked for together. When the source is away or slow, the last
    known answer is given after `patience_s`, and at once for `pause_s` after that.
    """

    def __init__(
        self,
        load: Callable[[K], Awaitable[V]],
        *,
        size: int,
        ttl_s: float = 5.0,
        patience_s: float = 0.5,
        pause_s: float = 1.0,
    ) -> None:
        self._load = load
        self._size = size
        self._ttl_s = ttl_s
        self._patience_s = patience_s
        self._pause_s = pause_s
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._loading: dict[K, asyncio.Task[V]] = {}

    def ready(self, key: K) -> V | None:
        """The answer if it is here and fresh. Never waits."""
        entry = self._entries.get(key)
        if entry is None or entry.fresh_until <= time.monotonic():
            return None
        return entry.value

    async def get(self, key: K) -> tuple[V, bool]:
        """The answer, and whether it is stale. Raises Unavailable when nothing is known."""
        entry = self._entries.get(key)
        if entry is None:
            return await asyncio.shield(self._loaded(key)), False
        self._entries.move_to_end(key)
        now = time.monotonic()
        if entry.fresh_until > now:
            return entry.value, False
        if entry.retry_at > now:
            return entry.value, True
        return await self._refreshed(key, entry)

    async def close(self) -> None:
        """Give up what is being asked for."""
        tasks = list(self._loading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _refreshed(self, key: K, entry: _Entry[V]) -> tuple[V, bool]:
        task = self._loaded(key)
        await asyncio.wait({task}, timeout=self._patience_s)
        if task.done() and not task.cancelled():
            error = task.exception()
            if error is None:
                return task.result(), False
            if not isinstance(error, Unavailable):
                raise error
        entry.retry_at = time.monotonic() + self._pause_s
        return entry.value, True

    def _loaded(self, key: K) -> asyncio.Task[V]:
        task = self._loading.get(key)
        if task is None:
            task = asyncio.create_task(self._fill(key))
            self._loading[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return task

    def _finished(self, key: K, task: asyncio.Task[V]) -> None:
        self._loading.pop(key, None)
        if not task.cancelled():
            task.exception()  # those who waited have it; nobody may be left to fetch it

    async def _fill(self, key: K) -> V:
        value = await self._load(key)
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - no secret depends on it
        self._entries[key] = _Entry(value, time.monotonic() + self._ttl_s * jitter)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
        return value
