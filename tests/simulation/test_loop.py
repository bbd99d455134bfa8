"""The loop of the simulation: time that jumps, places that stop, order from a seed."""

from __future__ import annotations

import asyncio
import gc
from random import Random
from typing import Any

import pytest

from simulation.loop import Runaway, StuckError, VirtualLoop
from simulation.places import Life, Place


def loop_of(seed: int = 0, *, shuffled: bool = True) -> VirtualLoop:
    """A loop with an order of its own."""
    return VirtualLoop(Random(seed), shuffled=shuffled, steps_max=10_000)


def test_a_week_takes_no_time() -> None:
    """Nobody waits for a timer; time jumps to it."""
    loop = loop_of()

    async def week() -> float:
        await asyncio.sleep(7 * 86_400)
        return loop.time()

    try:
        assert loop.run(week(), Place("here")) == 7 * 86_400
    finally:
        loop.end()


def order_of(seed: int, *, shuffled: bool) -> list[str]:
    """In which order ten tasks of two places do their three steps."""
    loop, seen = loop_of(seed, shuffled=shuffled), []
    places = [Place("a"), Place("b")]

    async def walk(name: str) -> None:
        for _ in range(3):
            seen.append(name)
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        tasks = [loop.start(places[n % 2], walk(f"{places[n % 2]}{n // 2}")) for n in range(10)]
        await asyncio.wait(tasks)

    loop.run(all_of_them(), Place("main"))
    loop.end()
    return seen


@pytest.mark.parametrize("shuffled", [True, False])
def test_another_seed_is_another_order(shuffled: bool) -> None:
    """And the same seed is the same one."""
    orders = {tuple(order_of(seed, shuffled=shuffled)) for seed in range(20)}

    assert len(orders) > 15
    assert order_of(3, shuffled=shuffled) == order_of(3, shuffled=shuffled)


def test_without_shuffling_each_process_keeps_its_order() -> None:
    """As a real event loop does."""
    seen = order_of(5, shuffled=False)

    assert [name for name in seen if name[0] == "a"] == [f"a{n}" for n in range(5)] * 3


def test_what_is_killed_runs_no_finally() -> None:
    """Not when it is killed, not when it is collected; a process that dies cleans up nothing."""
    loop, seen = loop_of(), list[str]()
    victim = Place("victim")

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            seen.append("finally")

    async def story() -> None:
        task = loop.start(victim, work())
        await asyncio.sleep(5)
        victim.life = Life.DEAD
        del task
        gc.collect()
        await asyncio.sleep(100)
        gc.collect()
        assert seen == []

    loop.run(story(), Place("main"))
    loop.end()


def test_what_is_paused_goes_on_later() -> None:
    """Its timers ring late, all of them."""
    loop, seen = loop_of(), list[float]()
    sleeper = Place("sleeper")

    async def tick() -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            seen.append(loop.time())

    async def story() -> None:
        loop.start(sleeper, tick())
        await asyncio.sleep(1.5)
        sleeper.life = Life.PAUSED
        await asyncio.sleep(60)
        loop.resume(sleeper)
        await asyncio.sleep(10)

    loop.run(story(), Place("main"))
    loop.end()

    assert seen == [1.0, 61.5, 62.5]


def test_when_nobody_can_go_on_it_says_so() -> None:
    """Everybody waits for somebody else: an error, not a hang."""
    loop = loop_of()

    async def forever() -> None:
        await loop.create_future()

    with pytest.raises(StuckError):
        loop.run(forever(), Place("main"))
    loop.end()


def test_what_goes_round_in_circles_is_ended() -> None:
    """After so many steps."""
    loop = loop_of()

    async def spin() -> None:
        while True:  # noqa: ASYNC110 - that is the point
            await asyncio.sleep(0)

    with pytest.raises(Runaway):
        loop.run(spin(), Place("main"))
    loop.end()


def test_the_ordinary_loop_is_left_alone() -> None:
    """A simulated loop can run inside a real one."""

    async def outer() -> Any:
        before = asyncio.get_running_loop()
        loop = loop_of()

        async def inner() -> int:
            await asyncio.sleep(5)
            return 7

        result = loop.run(inner(), Place("main"))
        loop.end()
        assert asyncio.get_running_loop() is before
        return result

    assert asyncio.run(outer()) == 7
