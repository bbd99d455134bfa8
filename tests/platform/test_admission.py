"""Lanes: so many at work, so many waiting, for so long."""

from __future__ import annotations

import asyncio

import pytest

from almoner.platform.admission import Lane
from almoner.platform.errors import Overloaded
from almoner.platform.metrics import LANE_AT_WORK, LANE_SHED, LANE_WAITING


async def test_as_many_as_there_are_places_enter_at_once() -> None:
    """And the next one enters when one of them leaves."""
    lane = Lane("test", at_work_max=2, waiting_max=1, wait_ms=60_000)
    await lane.enter()
    await lane.enter()
    third = asyncio.create_task(lane.enter())
    await asyncio.sleep(0)
    assert (lane.at_work, lane.waiting, third.done()) == (2, 1, False)

    lane.leave()
    await third

    assert (lane.at_work, lane.waiting) == (2, 0)


async def test_who_waits_is_let_in_in_the_order_of_coming() -> None:
    """Nobody is overtaken, also not by one who comes when a place is free."""
    lane, entered = Lane("test", at_work_max=1, waiting_max=9, wait_ms=60_000), []

    async def pass_through(number: int) -> None:
        async with lane:
            entered.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(pass_through(number) for number in range(10)))

    assert entered == list(range(10))
    assert (lane.at_work, lane.waiting) == (0, 0)


async def test_a_full_lane_refuses_at_once_and_says_when_to_come_back() -> None:
    """503 `overloaded`; those refused together are not called back together."""
    lane = Lane("test", at_work_max=1)
    await lane.enter()

    refusals = []
    for _ in range(40):
        with pytest.raises(Overloaded) as refused:
            await lane.enter()
        refusals.append(refused.value)

    assert {(r.http_status, r.code) for r in refusals} == {(503, "overloaded")}
    assert len({r.headers["Retry-After"] for r in refusals}) > 1
    assert lane.at_work == 1


async def test_who_has_waited_too_long_is_refused_and_takes_no_place() -> None:
    """The next place goes to somebody who still wants it."""
    lane = Lane("test", at_work_max=1, waiting_max=2, wait_ms=20)
    await lane.enter()

    with pytest.raises(Overloaded):
        await lane.enter()

    assert (lane.at_work, lane.waiting) == (1, 0)
    lane.leave()
    await lane.enter()
    assert lane.at_work == 1


@pytest.mark.parametrize("given_in_the_same_moment", [False, True])
async def test_who_goes_away_while_waiting_keeps_no_place(
    *, given_in_the_same_moment: bool
) -> None:
    """Also when the place was given in the moment of going."""
    lane = Lane("test", at_work_max=1, waiting_max=2, wait_ms=60_000)
    await lane.enter()
    gone, stays = (asyncio.create_task(lane.enter()) for _ in range(2))
    await asyncio.sleep(0)

    if given_in_the_same_moment:
        lane.leave()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    if not given_in_the_same_moment:
        lane.leave()

    await asyncio.wait_for(stays, 5)
    assert (lane.at_work, lane.waiting) == (1, 0)


async def test_a_fault_at_work_gives_the_place_back() -> None:
    """Whatever happens inside."""
    lane = Lane("test", at_work_max=1)

    with pytest.raises(ZeroDivisionError):
        async with lane:
            raise ZeroDivisionError

    assert lane.at_work == 0


async def test_the_metrics_tell_how_full_it_is() -> None:
    """At work, waiting, refused."""
    lane = Lane("told", at_work_max=1, waiting_max=1, wait_ms=60_000)
    await lane.enter()
    waiting = asyncio.create_task(lane.enter())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await lane.enter()

    lane.report()

    told = [metric.labels("told")._value.get() for metric in (LANE_AT_WORK, LANE_WAITING)]
    assert told == [1, 1]
    assert LANE_SHED.labels("told")._value.get() == 1
    lane.leave()
    await waiting
