"""Watch how many gifts of each charity are declined, and take care when it is too many.

Somebody who tries stolen cards on a charity's form makes the declines of that charity rise far
above the usual tenth. Only that charity is then guarded, and it recovers by itself.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

import structlog

from almoner.donations.level_store import Outcomes, OwnLevels, SharedLevels
from almoner.donations.levels import Level, LevelRules, Reading, next_level
from almoner.platform.cache import CACHE_AWAY, Cache
from almoner.platform.clock import monotonic_s
from almoner.platform.metrics import CHARITY_LEVELS

log = structlog.get_logger(__name__)

_KNOWN_S: Final = 1.0
_AWAY_S: Final = 1.0
_KNOWN_MAX: Final = 50_000


class Breaker:
    """Knows the level of each charity, and learns from outcomes. One for each web process."""

    def __init__(self, cache: Cache | None, rules: LevelRules) -> None:
        self._rules = rules
        self._shared = None if cache is None else SharedLevels(cache, rules)
        self._own = OwnLevels(rules)
        self._away_until = 0.0
        self._known: OrderedDict[int, tuple[Level, float]] = OrderedDict()
        self._pending: dict[int, tuple[int, int]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    async def open(self) -> None:
        """Begin to learn."""
        self._task = asyncio.create_task(self._learn(), name="breaker")

    async def close(self) -> None:
        """Learn what is still to be learned, then end."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def level(self, charity_id: int) -> Level:
        """The charity's level, as it was within the last second."""
        known = self._known.get(charity_id)
        now = monotonic_s()
        if known is not None and known[1] > now:
            return known[0]
        if known is not None:  # one request asks; the others go by what was known meanwhile
            self._known[charity_id] = (known[0], now + _KNOWN_S)
        return (await self._read({charity_id: (0, 0)}))[charity_id]

    def note(self, charity_id: int, *, paid: bool) -> None:
        """Learn an outcome of the bank, a little later. Never waits and never fails."""
        was_paid, was_declined = self._pending.get(charity_id, (0, 0))
        self._pending[charity_id] = (was_paid + paid, was_declined + (not paid))
        self._wake.set()

    async def _learn(self) -> None:
        while self._pending or not self._closing:
            await self._wake.wait()
            self._wake.clear()
            outcomes, self._pending = self._pending, {}
            if outcomes:
                try:
                    await self._read(outcomes)
                except Exception:
                    log.exception("outcomes_not_learned")

    async def _read(self, outcomes: Outcomes) -> dict[int, Level]:
        """Count outcomes and judge. While Valkey is away this process judges by its own."""
        if self._shared is not None and monotonic_s() >= self._away_until:
            try:
                return await self._judge(self._shared, outcomes)
            except CACHE_AWAY as error:
                self._away_until = monotonic_s() + _AWAY_S
                log.warning("levels_without_cache", error=type(error).__name__)
        return await self._judge(self._own, outcomes)

    async def _judge(self, store: SharedLevels | OwnLevels, outcomes: Outcomes) -> dict[int, Level]:
        levels: dict[int, Level] = {}
        for charity_id, reading in (await store.add(outcomes)).items():
            level = next_level(self._rules, reading)
            if level is not reading.level and await store.move(charity_id, reading.level, level):
                _tell(charity_id, reading, level)
            levels[charity_id] = level
            self._remember(charity_id, level)
        return levels

    def _remember(self, charity_id: int, level: Level) -> None:
        self._known[charity_id] = (level, monotonic_s() + _KNOWN_S)
        self._known.move_to_end(charity_id)
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)


def _tell(charity_id: int, reading: Reading, level: Level) -> None:
    CHARITY_LEVELS.labels(level.name.lower()).inc()
    say = log.warning if level > reading.level else log.info
    say(
        "charity_level_changed",
        charity_id=charity_id,
        was=reading.level.name.lower(),
        now=level.name.lower(),
        paid=reading.paid,
        declined=reading.declined,
    )
