"""Group commit: what arrives together is written together.

The cost of a durable write is the commit, not the row. While one batch is being written the next
one collects; there is no timer, so nothing waits when nothing else is there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import psycopg
import structlog

from almoner.platform.db import DatabaseAway
from almoner.platform.errors import Overloaded, Unavailable
from almoner.platform.metrics import QUEUE_LENGTH, QUEUE_OLDEST

log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")

_LOCKED: Final = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)
"""A row is locked, or the whole statement took too long: perhaps because of one item alone."""

_AGAIN: Final = (
    DatabaseAway,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    *_LOCKED,
)

CLOSE_S: Final = 5.0

Write = Callable[[Sequence[T]], Awaitable[Sequence[R]]]
_Waiting = tuple[T, "asyncio.Future[R]", float]


class Batcher(Generic[T, R]):
    """Turns single writes into writes of many.

    `write` is given up to `batch_max` items and answers one result for each, in order. It must be
    harmless to repeat: after a lost connection nobody knows whether it was committed, and it is
    called again until `retry_for_ms` have passed (for ever if None). When a batch fails for another
    reason it is cut in halves, so that one poisoned row fails alone.

    At most `queue_max` items wait for their batch, each at most `wait_ms` (None: as many, as long
    as it takes, for what must not be refused). Both refusals are sure: such an item was never given
    to `write`.
    """

    def __init__(
        self,
        name: str,
        write: Write[T, R],
        *,
        batch_max: int = 256,
        queue_max: int | None = 20_000,
        wait_ms: int | None = None,
        retry_for_ms: int | None = 5_000,
    ) -> None:
        self.name = name
        self._write = write
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._wait_s = None if wait_ms is None else wait_ms / 1000
        self._retry_for_ms = retry_for_ms
        self._waiting: deque[_Waiting[T, R]] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._away = False
        self.batches = 0
        self.items = 0

    async def open(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name=f"batcher {self.name}")

    async def close(self) -> None:
        """Write what is waiting, then end.

        What a database that is away keeps from being written is left after five seconds: whoever
        reads the stamps later finds it.
        """
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=CLOSE_S)
            if not self._task.done():
                log.warning(
                    "batcher_closed_unwritten", batcher=self.name, waiting=len(self._waiting)
                )
                self._task.cancel()
                await asyncio.wait({self._task})
        if self._timer is not None:
            self._timer.cancel()

    async def submit(self, item: T) -> R:
        """Write `item` with whatever else is there.

        Raises Overloaded when too much is waiting, at once or after `wait_ms` (nothing has been
        done then), DatabaseAway when the database stayed away, or the error of this item's own row.
        """
        if self._queue_max is not None and len(self._waiting) >= self._queue_max:
            raise self._refusal()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, future, loop.time()))
        if self._wait_s is not None and self._timer is None:
            self._timer = loop.call_later(self._wait_s, self._refuse_the_oldest)
        self._wake.set()
        return await future

    def report(self) -> None:
        """Write down how much waits and since when, for the metrics."""
        oldest_s = 0.0
        if self._waiting:
            oldest_s = asyncio.get_running_loop().time() - self._waiting[0][2]
        QUEUE_LENGTH.labels(self.name).set(len(self._waiting))
        QUEUE_OLDEST.labels(self.name).set(oldest_s)

    def _refuse_the_oldest(self) -> None:
        """End the wait of those who have waited too long; they are the first in the queue."""
        self._timer = None
        loop, wait_s = asyncio.get_running_loop(), self._wait_s or 0.0
        while self._waiting and self._waiting[0][2] + wait_s <= loop.time():
            _, future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(self._refusal())
        if self._waiting:
            self._timer = loop.call_at(self._waiting[0][2] + wait_s, self._refuse_the_oldest)

    def _refusal(self) -> Overloaded | DatabaseAway:
        """Why nothing more is taken: too much of it, or because the database is away."""
        return DatabaseAway() if self._away else Overloaded()

    async def _run(self) -> None:
        while self._waiting or not self._closing:
            await self._wake.wait()
            while self._waiting:
                count = min(len(self._waiting), self._batch_max)
                batch = [self._waiting.popleft() for _ in range(count)]
                await self._settle(batch, self._deadline())
            self._wake.clear()

    def _deadline(self) -> float | None:
        if self._retry_for_ms is None:
            return None
        return asyncio.get_running_loop().time() + self._retry_for_ms / 1000

    async def _settle(self, batch: list[_Waiting[T, R]], deadline: float | None) -> None:
        try:
            results = await self._write_until_known([item for item, _, _ in batch], deadline)
        except Exception as error:  # noqa: BLE001 - each caller is told; the batcher must live on
            if len(batch) > 1 and not isinstance(error, Unavailable):
                half = len(batch) // 2
                await self._settle(batch[:half], deadline)
                await self._settle(batch[half:], deadline)
                return
            for _, future, _ in batch:
                if not future.done():
                    future.set_exception(error)
            return
        self.batches += 1
        self.items += len(batch)
        for (_, future, _), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def _write_until_known(self, items: list[T], deadline: float | None) -> Sequence[R]:
        """Write again and again until it is known what became of it.

        Raises DatabaseAway when the deadline has passed, and what waits for a lock at once while
        there are several items: cut in halves, only the locked one has to wait.
        """
        loop = asyncio.get_running_loop()
        pause_s = 0.05
        while True:
            try:
                results = await self._write(items)
            except _AGAIN as error:
                late = deadline is not None and loop.time() + pause_s > deadline
                if isinstance(error, _LOCKED) and len(items) > 1 and not late:
                    raise
                self._away = isinstance(error, DatabaseAway)
                if late:
                    raise (error if self._away else DatabaseAway()) from error
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 0.5)
            else:
                self._away = False
                return results
