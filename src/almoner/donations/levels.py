"""How carefully a charity's gifts are taken, by how many of the latest were declined."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from msgspec import Struct

SLOT_MS: Final = 30_000
"""Outcomes are counted in slots of half a minute."""


class Level(IntEnum):
    """Each level asks more of who gives than the one before."""

    NORMAL = 0
    """Nothing is asked."""
    CHALLENGE = 1
    """A proof of work, which a page does by itself; declines are told in one uniform text."""
    STRICT = 2
    """A harder one, lower limits, and the gateway is asked to check harder."""
    PAUSED = 3
    """Only pages that do the hardest one go on, a few a minute; all others are put off."""


class LevelRules(Struct, frozen=True):
    """When a level is left.

    CHALLENGE begins when at least `least` gifts of the window had an outcome of the bank and
    `percent` of them were declined; STRICT at twice as many and 20 points more, PAUSED at four
    times as many and 40 points more. A level is left for the one below after `hold_ms`, once less
    than half of `percent` are declined or hardly anything comes.
    """

    percent: int = 40
    least: int = 20
    window_ms: int = 600_000
    hold_ms: int = 300_000

    @property
    def slots(self) -> int:
        """Slots in the window."""
        return self.window_ms // SLOT_MS


class Reading(Struct, frozen=True):
    """A charity's outcomes in the window, and its level since `since_ms`."""

    paid: int
    declined: int
    level: Level
    since_ms: int
    now_ms: int


def next_level(rules: LevelRules, reading: Reading) -> Level:
    """The level that follows from a reading; up at once as far as it goes, down step by step."""
    told = reading.paid + reading.declined
    percent = 100 * reading.declined / told if told else 0.0
    for level in (Level.PAUSED, Level.STRICT, Level.CHALLENGE):
        step = level - Level.CHALLENGE
        if told >= rules.least << step and percent >= min(rules.percent + 20 * step, 95):
            return max(level, _calmer(rules, reading, told, percent))
    return _calmer(rules, reading, told, percent)


def _calmer(rules: LevelRules, reading: Reading, told: int, percent: float) -> Level:
    held = reading.now_ms - reading.since_ms >= rules.hold_ms
    calm = told < rules.least / 2 or percent < rules.percent / 2
    if reading.level and held and calm:
        return Level(reading.level - 1)
    return reading.level
