"""Know that the database is away, so that not every donor waits to find out."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from almoner.donations import queries
from almoner.platform.clock import monotonic_s
from almoner.platform.db import Writer
from almoner.platform.errors import Unavailable
from almoner.platform.metrics import DATABASE_AWAY

log = structlog.get_logger(__name__)

PROBE_PAUSE_S: Final = 0.2
PROBE_PAUSE_S_MAX: Final = 1.0


class Outage:
    """Begins with the first gift that could not be written; ends with the first write that works.

    While it lasts a probe of its own asks, by a commit that must reach the disk: a server that
    only answers, such as a standby or one without room, does not end it. The writer bounds how
    long a probe may hang.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._over = asyncio.Event()
        self._over.set()
        self._probing: asyncio.Task[None] | None = None
        self._since_s = 0.0

    @property
    def known(self) -> bool:
        """Whether the database is known to be away."""
        return not self._over.is_set()

    def begin(self) -> None:
        """A write did not work."""
        if self.known:
            return
        self._over.clear()
        self._since_s = monotonic_s()
        DATABASE_AWAY.set(1)
        log.warning("database_away")
        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(self._probe(), name="database probe")

    def end(self) -> None:
        """A write worked."""
        if not self.known:
            return
        self._over.set()
        DATABASE_AWAY.set(0)
        log.info("database_back", after_s=round(monotonic_s() - self._since_s, 1))

    async def over_within(self, seconds: float) -> bool:
        """Wait so long for its end; whether it came."""
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            return False
        return True

    async def open(self) -> None:
        """Nothing to start: it is not known to be away."""

    async def close(self) -> None:
        """Ask no more."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait({self._probing})

    async def _probe(self) -> None:
        pause_s = PROBE_PAUSE_S
        while self.known:
            try:
                async with self._writer.transaction() as connection:
                    await queries.probe_commit(connection)
            except Unavailable:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.5, PROBE_PAUSE_S_MAX)
            except Exception:
                log.exception("database_probe_failed")
                await asyncio.sleep(PROBE_PAUSE_S_MAX)
            else:
                self.end()
