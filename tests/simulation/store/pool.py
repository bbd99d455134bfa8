"""What a `Database` gets its connections from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from psycopg_pool import PoolTimeout

from simulation.places import HERE
from simulation.store.connection import SimConnection

if TYPE_CHECKING:
    from simulation.store.server import Server

Configure = Callable[[SimConnection], Awaitable[None]]


class SimPool:
    """Stands for `AsyncConnectionPool`."""

    def __init__(self, server: Server, wait_s: float, configure: Configure | None) -> None:
        self._server = server
        self._wait_s = wait_s
        self._configure = configure

    async def open(self, *, wait: bool = False) -> None:
        """Nothing to do."""

    async def close(self, timeout: float = 0) -> None:  # noqa: ASYNC109 - the pool's own signature
        """Nothing to do."""

    async def drain(self) -> None:
        """Nothing to do: no connection is kept."""

    @asynccontextmanager
    async def connection(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - the pool's own signature
    ) -> AsyncIterator[SimConnection]:
        """A connection that stood before and may be broken since, or a new one."""
        server, place = self._server, HERE.get()
        if not server.reachable(place) and server.draw() > 0.5:
            wait_s = self._wait_s if timeout is None else timeout
            if not await server.wait_for(place, wait_s):
                raise PoolTimeout("couldn't get a connection")
        connection = SimConnection(server, place, writing=False)
        try:
            yield connection
        finally:
            connection.drop()


class SimLender:
    """Stands for `Lender`: no connection here is ever lost to whoever is cancelled."""

    def __init__(self, pool: SimPool) -> None:
        self.lend = pool.connection
