"""The monitor of an installation: its connections, its rhythm, its limits."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from almoner.operations.match_gateway import MatchedGateway
from almoner.operations.monitor.alarms import Limits
from almoner.operations.monitor.beat import Beats
from almoner.operations.monitor.run import Monitor, Rhythm
from almoner.operations.monitor.watch import Watch
from almoner.platform.db import Database
from almoner.platform.loops import Loop
from almoner.platform.settings import Settings

QUICK_STATEMENT_MS: Final = 30_000
SLOW_STATEMENT_MS: Final = 3_600_000
BEAT_EVERY_S: Final = 15
DUE_EVERY_S: Final = 5
FULL_LOOK_MAX_S: Final = 6 * 3_600


def make_watch(settings: Settings, *, loud: bool) -> tuple[Database, Watch]:
    """What reads how the installation fares, and the connections it does that with."""
    database = _own_pool(settings, 10_000, size=2)
    return database, Watch(database, limits_of(settings), loud=loud)


_BY_INDEX: Final = (
    "enable_seqscan=off",
    "random_page_cost=1.1",
    "max_parallel_workers_per_gather=0",
)
"""What was written lately is found by indexes and lies in memory; one process is enough for it."""


class Monitoring:
    """The loops with which a worker looks after everything."""

    def __init__(self, settings: Settings, gateway: MatchedGateway) -> None:
        self._quick = _own_pool(settings, QUICK_STATEMENT_MS, size=3)
        self._slow = _own_pool(settings, SLOW_STATEMENT_MS, size=2, by_index=False)
        self._watch_database, self.watch = make_watch(settings, loud=True)
        self._beats = Beats(self._quick, "worker")
        self.monitor = Monitor(self._quick, self._slow, gateway, rhythm_of(settings))

    async def open(self) -> None:
        """Begin to connect."""
        for pool in (self._quick, self._slow, self._watch_database):
            await pool.open()

    async def close(self) -> None:
        """Say that our loops have ended, and give the connections back."""
        await self._beats.close()
        for pool in (self._quick, self._slow, self._watch_database):
            await pool.close()

    def loops(self) -> list[Loop]:
        """Looks at what changed, at everything, at what waits; and our own life signs."""
        return [
            Loop("monitor", self.monitor.step, DUE_EVERY_S, late_after_s=900),
            Loop("monitor_full", self.monitor.step_full, 60, late_after_s=FULL_LOOK_MAX_S),
            Loop("watch", self._look, BEAT_EVERY_S),
            Loop("beat", self._beats.beat, BEAT_EVERY_S),
        ]

    async def _look(self) -> int:
        await self.watch.look()
        return 0


def journal_dir_of(settings: Settings) -> Path:
    """Where gifts are kept while the database is away."""
    folder = Path(settings.servers.data_dir) / "journal"
    return Path(settings.journal.journal_dir or folder).expanduser().resolve()


def limits_of(settings: Settings) -> Limits:
    """From where on a reading is an alarm."""
    given = settings.monitoring
    return Limits(
        monitor_minutes=given.monitor_minutes,
        quiet_minutes=given.alarm_quiet_minutes,
        look_up_s=given.alarm_look_up_s,
        dispatched_s=settings.gateway.gateway_deadline_ms // 1000 + given.alarm_look_up_s,
        events_s=given.alarm_events_s,
        webhooks_s=given.alarm_webhooks_s,
        review_s=given.alarm_review_s,
        skew_ms=given.alarm_skew_ms,
    )


def rhythm_of(settings: Settings) -> Rhythm:
    """When to look."""
    start, _, end = settings.monitoring.monitor_night.partition("-")
    return Rhythm(
        settings.monitoring.monitor_minutes, time.fromisoformat(start), time.fromisoformat(end)
    )


def _own_pool(
    settings: Settings, statement_ms: int, *, size: int, by_index: bool = True
) -> Database:
    """Connections that nobody else waits for, on which no statement runs for ever."""
    url = settings.servers.database_url
    if by_index:
        given = str(conninfo_to_dict(url).get("options", ""))
        url = make_conninfo(url, options=" ".join([given, *(f"-c {o}" for o in _BY_INDEX)]).strip())
    return Database(url, size=size, busy_ms=statement_ms)
