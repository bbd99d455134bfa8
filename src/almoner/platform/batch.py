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
from almoner.platform.errors import Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")

_AGAIN: Final = (
    DatabaseAway,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)

CLOSE_S: Final = 5.0

Write = Callable[[Sequence[T]], Awaitable[Sequence[R]]]


class Batcher(Generic[T, R]):
    """Turns single writes into writes of many.

    `write` is given up to `batch_max` items and answers one result for each, in order. It must be
    harmless to repeat: after a lost connection nobody knows whether it was committed, and it is
    called again until `retry_for_ms` have passed (for ever if None). When a batch fails for another
    reason it is cut in halves, so that one poisoned row fails alone.
    """

    def __init__(
        self,
        name: str,
        write: Write[T, R],
        *,
        batch_max: int = 256,
        queue_max: int = 20_000,
        retry_for_ms: int | None = 5_000,
    ) -> None:
        self.name = name
        self._write = write
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._retry_for_ms = retry_for_ms
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
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
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=CLOSE_S)
        if not self._task.done():
            log.warning("batcher_closed_unwritten", batcher=self.name, waiting=len(self._waiting))
            self._task.cancel()
            await asyncio.wait({self._task})

    async def submit(self, item: T) -> R:
        """Write `item` with whatever else is there.

        Raises Unavailable at once when too much is waiting (nothing has been done then),
        DatabaseAway when the database stayed away, or the error of this item's own row.
        """
        if len(self._waiting) >= self._queue_max:
            raise Unavailable("Too much is waiting to be written. Please try again in a moment.")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._wake.set()
        return await future

    async def _run(self) -> None:
        while self._waiting or not self._closing:
            await self._wake.wait()
            while self._waiting:
                count = min(len(self._waiting), self._batch_max)
                batch = [self._waiting.popleft() for _ in range(count)]
                await self._settle(batch)
            self._wake.clear()

    async def _settle(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._write_until_known([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - each caller is told; the batcher must live on
            if len(batch) > 1 and not isinstance(error, DatabaseAway):
                half = len(batch) // 2
                await self._settle(batch[:half])
                await self._settle(batch[half:])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        self.batches += 1
        self.items += len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def _write_until_known(self, items: list[T]) -> Sequence[R]:
        loop = asyncio.get_running_loop()
        deadline = None if self._retry_for_ms is None else loop.time() + self._retry_for_ms / 1000
        pause_s = 0.05
        while True:
            try:
                return await self._write(items)
            except _AGAIN:
                if deadline is not None and loop.time() + pause_s > deadline:
                    raise
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 0.5)
