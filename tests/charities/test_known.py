"""The last known answer."""

from __future__ import annotations

import asyncio

import pytest

from almoner.charities.known import LastKnown
from almoner.platform.db import DatabaseAway


class Source:
    """Counts how often it is asked; may be away or slow."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.slow_s = 0.0

    async def __call__(self, key: str) -> str:
        self.asked += 1
        await asyncio.sleep(self.slow_s)
        if self.away:
            raise DatabaseAway
        return f"{key} {self.asked}"


async def test_one_question_is_asked_once_at_a_time() -> None:
    """A hundred wait for the same answer."""
    source = Source()
    source.slow_s = 0.02
    known = LastKnown(source, size=10)

    answers = await asyncio.gather(*[known.get("a") for _ in range(100)])

    assert set(answers) == {("a 1", False)}
    assert source.asked == 1
    assert known.ready("a") == "a 1"
    assert known.ready("b") is None


async def test_while_the_source_is_away_the_last_answer_counts() -> None:
    """Marked stale, at once during the pause, and fresh again when it is back."""
    source = Source()
    known = LastKnown(source, size=10, ttl_s=0, pause_s=0.05)
    await known.get("a")
    source.away = True

    assert await known.get("a") == ("a 1", True)
    assert await known.get("a") == ("a 1", True)
    assert source.asked == 2
    await asyncio.sleep(0.06)
    source.away = False
    assert await known.get("a") == ("a 3", False)


async def test_a_slow_source_is_waited_for_only_so_long() -> None:
    """Then the last answer is given, and the new one is there for the next."""
    source = Source()
    known = LastKnown(source, size=10, ttl_s=0, patience_s=0.01, pause_s=0)
    await known.get("a")
    source.slow_s = 0.05

    assert await known.get("a") == ("a 1", True)
    await asyncio.sleep(0.1)
    assert source.asked == 2
    await known.close()


async def test_when_nothing_is_known_the_error_is_told_to_all() -> None:
    """And the next question asks again."""
    source = Source()
    source.away = True
    known = LastKnown(source, size=10)

    errors = await asyncio.gather(*[known.get("a") for _ in range(3)], return_exceptions=True)

    assert {type(error) for error in errors} == {DatabaseAway}
    with pytest.raises(DatabaseAway):
        await known.get("a")
    assert source.asked == 2


async def test_no_more_than_its_size_is_kept() -> None:
    """The longest unused goes first."""
    known = LastKnown(Source(), size=2)
    for key in ("a", "b", "a", "c"):
        await known.get(key)

    assert (known.ready("a"), known.ready("b")) == ("a 1", None)


async def test_one_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    """A donor closes the page while ten more wait."""
    source = Source()
    source.slow_s = 0.03
    known = LastKnown(source, size=2)
    first = asyncio.create_task(known.get("a"))
    second = asyncio.create_task(known.get("a"))
    await asyncio.sleep(0.01)

    first.cancel()

    assert await second == ("a 1", False)
