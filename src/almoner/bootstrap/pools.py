"""Database connections of a web process, apart by kind of work: none can take another's."""

from __future__ import annotations

from typing import Final

from almoner.platform.admission import Lane
from almoner.platform.db import Database
from almoner.platform.settings import Settings

RECALL_CONNECTIONS: Final = 2
"""One to recall keys, one to withdraw stamps. Each is used by one batch at a time."""

CONNECT_MS: Final = 2_000
"""The least time in which a pool may find a connection again."""


class Pools:
    """One pool for each kind of work, opened and closed together.

    The two connections through which gifts are written are not among them: each batcher has a
    `Writer` of its own.
    """

    def __init__(self, settings: Settings) -> None:
        capacity = settings.capacity
        self._settings = settings
        self.giving = self._pool("giving", capacity.giving_connections)
        self.recall = self._pool("recall", RECALL_CONNECTIONS)
        self.status = self._pool("status", capacity.status_connections)
        self.reads = self._pool("reads", capacity.reads_connections)
        self.webhooks = self._pool("webhooks", capacity.webhooks_connections)
        self._all = (self.giving, self.recall, self.status, self.reads, self.webhooks)

    async def open(self) -> None:
        """Begin to connect. Does not wait."""
        for pool in self._all:
            await pool.open()

    async def close(self) -> None:
        """Give all connections back to the server."""
        for pool in self._all:
            await pool.close()

    def report(self) -> None:
        """Write down how full each is, for the metrics."""
        for pool in self._all:
            pool.report()

    def _pool(self, name: str, size: int) -> Database:
        """A pool whose lane is as wide as it has connections: the queue is the lane's alone."""
        capacity = self._settings.capacity
        return Database(
            self._settings.servers.database_url,
            size=size,
            wait_ms=max(CONNECT_MS, self._settings.giving.database_wait_ms),
            busy_ms=capacity.statement_ms,
            lane=Lane(
                name,
                at_work_max=size,
                waiting_max=capacity.waiting_max,
                wait_ms=capacity.wait_ms,
            ),
        )
