"""Group commit: together when there is company, alone when poisoned, never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg
import pytest

from almoner.platform.batch import Batcher
from almoner.platform.db import DatabaseAway
from almoner.platform.errors import Overloaded
from almoner.platform.metrics import QUEUE_LENGTH, QUEUE_OLDEST


class Table:
    """Something to write to that can be slow, poisoned, locked or away."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.poison: set[int] = set()
        self.locked: set[int] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.away_for = 0

    async def write(self, items: Sequence[int]) -> list[int]:
        """Write all or nothing."""
        await self.open.wait()
        await asyncio.sleep(0.005)
        if self.locked & set(items):
            raise psycopg.errors.LockNotAvailable
        if self.away_for:
            self.away_for -= 1
            raise DatabaseAway
        if self.poison & set(items):
            raise psycopg.errors.CheckViolation
        self.batches.append(list(items))
        return [item * 10 for item in items]


async def test_what_arrives_together_is_written_together() -> None:
    """A hundred items while one is being written make one more batch."""
    table = Table()
    batcher = Batcher("test", table.write)
    await batcher.open()

    results = await asyncio.gather(*(batcher.submit(n) for n in range(100)))
    await batcher.close()

    assert results == [n * 10 for n in range(100)]
    assert len(table.batches) == 1


async def test_a_batch_is_bounded_and_in_order() -> None:
    """Nobody is overtaken."""
    table = Table()
    batcher = Batcher("test", table.write, batch_max=30)
    await batcher.open()

    await asyncio.gather(*(batcher.submit(n) for n in range(100)))
    await batcher.close()

    assert max(map(len, table.batches)) == 30
    assert [n for batch in table.batches for n in batch] == list(range(100))


async def test_a_poisoned_row_fails_alone() -> None:
    """One of two hundred is refused by the database; the others are written."""
    table = Table()
    table.poison = {77}
    batcher = Batcher("test", table.write)
    await batcher.open()

    results = await asyncio.gather(*(batcher.submit(n) for n in range(200)), return_exceptions=True)
    await batcher.close()

    assert [n for n, r in enumerate(results) if isinstance(r, Exception)] == [77]
    assert isinstance(results[77], psycopg.errors.CheckViolation)
    assert sorted(n for batch in table.batches for n in batch) == [n for n in range(200) if n != 77]


async def test_a_fault_of_our_own_does_not_end_the_batcher() -> None:
    """An unexpected error is told to its caller; the next item is written."""
    table = Table()
    batcher = Batcher("test", table.write)
    await batcher.open()
    table.poison = None  # type: ignore[assignment]

    with pytest.raises(TypeError):
        await batcher.submit(1)

    table.poison = set()
    assert await batcher.submit(2) == 20
    await batcher.close()


async def test_a_database_that_comes_back_in_time_is_not_noticed() -> None:
    """The same batch is written again."""
    table = Table()
    table.away_for = 3
    batcher = Batcher("test", table.write, retry_for_ms=5_000)
    await batcher.open()

    assert await batcher.submit(4) == 40
    await batcher.close()


async def test_a_database_that_stays_away_is_told_to_everybody_waiting() -> None:
    """After the wait each caller learns that it was away, and the batcher goes on."""
    table = Table()
    table.away_for = 1_000
    batcher = Batcher("test", table.write, retry_for_ms=100)
    await batcher.open()

    results = await asyncio.gather(*(batcher.submit(n) for n in range(5)), return_exceptions=True)
    table.away_for = 0

    assert all(isinstance(r, DatabaseAway) for r in results)
    assert await batcher.submit(1) == 10
    await batcher.close()


async def test_a_full_queue_refuses_at_once() -> None:
    """What cannot be taken is refused before anything is done with it."""
    table = Table()
    batcher = Batcher("test", table.write, queue_max=2)
    waiting = [asyncio.create_task(batcher.submit(n)) for n in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded):
        await batcher.submit(3)

    await batcher.open()
    assert await asyncio.gather(*waiting) == [0, 10]
    await batcher.close()


async def test_who_waits_too_long_is_refused_and_never_written() -> None:
    """The batch in front hangs: the next items are told so while it lasts, and it is true."""
    table = Table()
    table.open.clear()
    batcher = Batcher("test", table.write, batch_max=1, wait_ms=50)
    await batcher.open()
    first = asyncio.create_task(batcher.submit(0))
    await asyncio.sleep(0)

    refused = await asyncio.gather(*(batcher.submit(n) for n in (1, 2)), return_exceptions=True)
    table.open.set()

    assert [type(error) for error in refused] == [Overloaded, Overloaded]
    assert await first == 0
    assert await batcher.submit(3) == 30
    await batcher.close()
    assert table.batches == [[0], [3]]


async def test_who_waits_behind_a_database_that_is_away_is_told_that() -> None:
    """Not that there is too much: nothing that came later would be taken either."""
    table = Table()
    table.away_for = 1_000
    batcher = Batcher("test", table.write, batch_max=1, wait_ms=100, retry_for_ms=400)
    await batcher.open()
    first = asyncio.create_task(batcher.submit(0))
    await asyncio.sleep(0)

    with pytest.raises(DatabaseAway):
        await batcher.submit(1)

    assert not first.done()
    with pytest.raises(DatabaseAway):
        await first
    await batcher.close()


async def test_what_must_not_be_refused_waits_as_long_as_it_takes() -> None:
    """Outcomes of charges: no bound on how many, none on how long."""
    table = Table()
    table.open.clear()
    batcher = Batcher("test", table.write, queue_max=None, retry_for_ms=None)
    await batcher.open()
    waiting = [asyncio.create_task(batcher.submit(n)) for n in range(30_000)]
    await asyncio.sleep(0.1)

    table.open.set()

    assert await asyncio.gather(*waiting) == [n * 10 for n in range(30_000)]
    await batcher.close()


async def test_a_locked_row_keeps_only_itself_waiting() -> None:
    """Somebody holds one row: the others are written, it is told as away after its time."""
    table = Table()
    table.locked = {5}
    batcher = Batcher("test", table.write, retry_for_ms=1_500)
    await batcher.open()

    results = await asyncio.gather(*(batcher.submit(n) for n in range(16)), return_exceptions=True)
    await batcher.close()

    assert [n for n, r in enumerate(results) if isinstance(r, DatabaseAway)] == [5]
    assert sorted(n for batch in table.batches for n in batch) == [n for n in range(16) if n != 5]


async def test_the_metrics_tell_what_waits_and_since_when() -> None:
    """How many, and the age of the oldest."""
    table = Table()
    batcher = Batcher("told", table.write)
    waiting = [asyncio.create_task(batcher.submit(n)) for n in range(3)]
    await asyncio.sleep(0.05)

    batcher.report()

    assert QUEUE_LENGTH.labels("told")._value.get() == 3
    assert 0.03 < QUEUE_OLDEST.labels("told")._value.get() < 10
    await batcher.open()
    await asyncio.gather(*waiting)
    await batcher.close()


async def test_closing_writes_what_waits() -> None:
    """Nothing that was submitted is forgotten at the end."""
    table = Table()
    batcher = Batcher("test", table.write, batch_max=1)
    await batcher.open()
    waiting = [asyncio.create_task(batcher.submit(n)) for n in range(5)]
    await asyncio.sleep(0)

    await batcher.close()

    assert await asyncio.gather(*waiting) == [0, 10, 20, 30, 40]


async def test_a_caller_who_goes_away_does_not_disturb_the_others() -> None:
    """A cancelled future is skipped; its row is written all the same."""
    table = Table()
    batcher = Batcher("test", table.write)
    await batcher.open()
    gone, stays = (asyncio.create_task(batcher.submit(n)) for n in (1, 2))
    await asyncio.sleep(0)

    gone.cancel()

    assert await stays == 20
    assert table.batches == [[1, 2]]
    await batcher.close()
