"""Watch: read how the installation fares, show it as metrics, and raise the alarms."""

from __future__ import annotations

from typing import Final

import structlog

from almoner.operations.monitor.alarms import DATABASE_AWAY, Limits, raised
from almoner.operations.monitor.gauges import show, show_alarms
from almoner.operations.monitor.read import read
from almoner.operations.monitor.readings import Readings
from almoner.platform.clock import monotonic_s
from almoner.platform.db import Database
from almoner.platform.errors import Unavailable

log = structlog.get_logger(__name__)

SAID_AGAIN_AFTER_S: Final = 3_600


class Watch:
    """Reads and shows; one that is `loud` also writes each alarm into the log.

    A worker is loud; a web process shows the same when it is asked for its metrics, so that a dead
    worker is noticed too.
    """

    def __init__(self, database: Database, limits: Limits, *, loud: bool) -> None:
        self._database = database
        self._limits = limits
        self._loud = loud
        self._said_s: dict[str, float] = {}
        self._last_s = float("-inf")

    async def look(self) -> Readings | None:
        """Read, show, raise. None while the database is away, which is an alarm itself."""
        self._last_s = monotonic_s()
        try:
            now = await read(self._database, gifts_minutes=self._limits.quiet_minutes or 60)
        except Unavailable:
            self._raise({DATABASE_AWAY: "the database cannot be read"})
            return None
        show(now)
        self._raise(raised(now, self._limits))
        return now

    async def look_unless_fresh(self, *, seconds: float) -> None:
        """The same, unless somebody asked so many seconds ago."""
        if monotonic_s() - self._last_s >= seconds:
            await self.look()

    def _raise(self, on: dict[str, str]) -> None:
        show_alarms(on)
        if not self._loud:
            return
        at_s = monotonic_s()
        for name, why in on.items():
            if at_s - self._said_s.get(name, float("-inf")) >= SAID_AGAIN_AFTER_S:
                self._said_s[name] = at_s
                log.error("alarm", name=name, why=why)
        for name in [name for name in self._said_s if name not in on]:
            del self._said_s[name]
            log.info("alarm_over", name=name)
