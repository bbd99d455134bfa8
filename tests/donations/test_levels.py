"""The levels of a charity: up with the share of declines, down by themselves."""

from __future__ import annotations

import pytest

from almoner.donations.level_store import OwnLevels, SharedLevels
from almoner.donations.levels import Level, LevelRules, Reading, next_level
from almoner.platform.cache import open_cache
from support.forms import at

RULES = LevelRules()
NORMAL, CHALLENGE, STRICT, PAUSED = Level


def reading(paid: int, declined: int, level: Level = NORMAL, *, for_s: int = 0) -> Reading:
    """So many outcomes, at a level since so long."""
    return Reading(paid, declined, level, 0, for_s * 1000)


@pytest.mark.parametrize(
    ("paid", "declined", "level"),
    [
        (0, 0, NORMAL),
        (90, 10, NORMAL),
        (0, 19, NORMAL),
        (65, 35, NORMAL),
        (12, 8, CHALLENGE),
        (6_000, 4_000, CHALLENGE),
        (16, 24, STRICT),
        (0, 39, CHALLENGE),
        (0, 40, STRICT),
        (0, 79, STRICT),
        (16, 64, PAUSED),
        (0, 80, PAUSED),
    ],
)
def test_a_level_begins_far_above_the_usual_tenth(paid: int, declined: int, level: Level) -> None:
    """Forty percent of twenty, sixty of forty, eighty of eighty."""
    assert next_level(RULES, reading(paid, declined)) is level


@pytest.mark.parametrize("level", [CHALLENGE, STRICT, PAUSED])
def test_a_level_is_left_step_by_step_when_it_is_calm(level: Level) -> None:
    """Not at once, and not while the declines are still many."""
    assert next_level(RULES, reading(0, 0, level, for_s=299)) is level
    assert next_level(RULES, reading(0, 0, level, for_s=300)) == level - 1
    assert next_level(RULES, reading(0, 9, level, for_s=300)) == level - 1
    assert next_level(RULES, reading(81, 19, level, for_s=300)) == level - 1
    assert next_level(RULES, reading(75, 25, level, for_s=3000)) is level


def test_a_level_does_not_fall_while_a_lower_one_would_begin() -> None:
    """Paused, and half of a hundred are declined: it stays until it is calm."""
    assert next_level(RULES, reading(50, 50, PAUSED, for_s=3000)) is PAUSED


@pytest.mark.parametrize("kind", ["shared", "own"])
async def test_both_stores_count_the_window_and_move_once(redis_url: str, kind: str) -> None:
    """Outcomes add up, old ones fall out, and only one of two who judge moves the level."""
    cache = open_cache(redis_url)
    rules = LevelRules(window_ms=600_000)
    store = SharedLevels(cache, rules) if kind == "shared" else OwnLevels(rules)
    await store.add({101: (3, 1), 102: (0, 7)})

    found = await store.add({101: (1, 1), 102: (0, 0), 103: (0, 0)})
    moved = [await store.move(101, NORMAL, STRICT) for _ in range(2)]
    after = (await store.add({101: (0, 0)}))[101]

    assert {c: (r.paid, r.declined) for c, r in found.items()} == {
        101: (4, 2), 102: (0, 7), 103: (0, 0),
    }  # fmt: skip
    assert moved == [True, False]
    assert (after.level, after.now_ms - after.since_ms < 60_000) == (STRICT, True)
    if isinstance(store, OwnLevels):
        with at(601):
            assert (await store.add({102: (0, 0)}))[102].declined == 0
    else:
        key = "almoner:{charities}:level:102"
        await cache.hset(key, "d1", 500)  # a slot of long ago
        assert (await store.add({102: (0, 0)}))[102].declined == 7
        assert await cache.hget(key, "d1") is None
        assert sorted([c async for c in store.charities()]) == [101, 102]
        assert [await store.reset(101) for _ in range(2)] == [True, False]
    await cache.aclose()
