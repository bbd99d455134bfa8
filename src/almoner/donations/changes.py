"""Changes: tell every web process which donations have changed, after the commit.

A message says only which, never what: whoever hears it reads the donation as it stands. A message
that is lost costs time and nothing else, because pages are looked after by slow questions too
(`donations/watch.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final
from uuid import UUID

import structlog

from almoner.platform.cache import CACHE_AWAY, Cache
from almoner.platform.clock import jitter

log = structlog.get_logger(__name__)

PENDING_MAX: Final = 10_000
MESSAGE_IDS_MAX: Final = 500
LISTEN_S: Final = 5.0
CANCEL_AGAIN_S: Final = 0.1
_ID_BYTES: Final = 16

Heard = Callable[[Iterable[UUID]], None]


class Changes:
    """One channel of Valkey for an installation, and the short way within this process.

    `heard` is called with ids of donations that may have changed. Without a cache, or while it is
    away, only this process hears what it tells itself.
    """

    def __init__(self, cache: Cache | None, channel: str) -> None:
        self._cache = cache
        self._channel = channel
        self._heard: Heard | None = None
        self._missed: Callable[[], None] | None = None
        self._pending: list[UUID] = []
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def listen(self, heard: Heard, missed: Callable[[], None]) -> None:
        """Say who wants to hear, before `open`. `missed`: messages may have passed unheard."""
        self._heard, self._missed = heard, missed

    def tell(self, donation_ids: Sequence[UUID]) -> None:
        """Tell that these have changed. Never waits and never fails: it follows a commit."""
        if self._heard is not None:
            self._heard(donation_ids)
        if self._cache is not None and len(self._pending) < PENDING_MAX:
            self._pending.extend(donation_ids)
            self._wake.set()

    async def open(self) -> None:
        """Begin to tell, and to hear if anybody wants to."""
        if self._cache is None:
            return
        self._tasks.append(asyncio.create_task(self._publish(self._cache), name="changes told"))
        if self._heard is not None:
            task = asyncio.create_task(self._subscribe(self._cache), name="changes heard")
            self._tasks.append(task)

    async def close(self) -> None:
        """End. What is not told yet is found by asking.

        The client of the cache (redis-py 8.1) can lose a cancellation that comes while it connects.
        A process that waited for it would never end, so it is cancelled until it is over.
        """
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)

    async def _publish(self, cache: Cache) -> None:
        while True:
            await self._wake.wait()
            told, self._pending = self._pending[:MESSAGE_IDS_MAX], self._pending[MESSAGE_IDS_MAX:]
            if not self._pending:
                self._wake.clear()
            try:
                await cache.publish(self._channel, b"".join(i.bytes for i in told))
            except CACHE_AWAY as error:
                log.warning("changes_untold", count=len(told), error=type(error).__name__)
                await asyncio.sleep(0.5)

    async def _subscribe(self, cache: Cache) -> None:
        while True:
            try:
                async with cache.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(self._channel)
                    self._note_missed()
                    while True:
                        message = await pubsub.get_message(timeout=LISTEN_S)
                        if message is not None and self._heard is not None:
                            self._heard(_ids(message["data"]))
            except CACHE_AWAY as error:
                log.warning("changes_unheard", error=type(error).__name__)
            await asyncio.sleep(jitter().uniform(0.5, 2.0))

    def _note_missed(self) -> None:
        """What was told before we listened, nobody of this process has heard."""
        if self._missed is not None:
            self._missed()


def _ids(message: bytes) -> list[UUID]:
    """The ids in a message; none in one that we did not send."""
    if len(message) % _ID_BYTES:
        return []
    return [UUID(bytes=message[i : i + _ID_BYTES]) for i in range(0, len(message), _ID_BYTES)]
