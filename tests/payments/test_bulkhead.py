"""Places for calls, and what waiting for one costs."""

from __future__ import annotations

import asyncio

import pytest

from almoner.payments.bulkhead import Bulkhead, BulkheadFull


async def test_who_waits_gets_a_place_in_the_order_of_coming() -> None:
    """Three calls, one place."""
    bulkhead, order = Bulkhead(1), list[int]()

    async def call(number: int) -> None:
        await bulkhead.enter(5)
        order.append(number)
        await asyncio.sleep(0)
        bulkhead.leave()

    await asyncio.gather(*(call(number) for number in range(3)))

    assert order == [0, 1, 2]


async def test_nobody_waits_longer_than_agreed() -> None:
    """The place stays taken: refused, and the place is still good afterwards."""
    bulkhead = Bulkhead(1)
    await bulkhead.enter(5)

    with pytest.raises(BulkheadFull):
        await bulkhead.enter(0.01)

    bulkhead.leave()
    await bulkhead.enter(0.01)


async def test_a_place_handed_to_somebody_who_gives_up_is_not_lost() -> None:
    """Cancelled in the very step in which the place came free."""
    bulkhead = Bulkhead(1)
    await bulkhead.enter(5)
    waiting = asyncio.create_task(bulkhead.enter(5))
    await asyncio.sleep(0)

    bulkhead.leave()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await bulkhead.enter(0.01)


async def test_somebody_who_has_gone_is_passed_over() -> None:
    """The place goes to the next who still waits."""
    bulkhead = Bulkhead(1)
    await bulkhead.enter(5)
    gone = asyncio.create_task(bulkhead.enter(5))
    waits = asyncio.create_task(bulkhead.enter(5))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)

    bulkhead.leave()

    await asyncio.wait_for(waits, 1)
