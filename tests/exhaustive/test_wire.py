"""The wire strikes where it says; without that the other tests here would show nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from exhaustive.wire import CountingWire, Moments


@pytest.fixture
def database(new_database: Callable[..., str]) -> str:
    """An empty one with a table."""
    url = new_database(empty=True)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE said (word text)")
    return url


async def say(wire: CountingWire, word: str) -> None:
    """BEGIN, INSERT, COMMIT."""
    connection = await psycopg.AsyncConnection.connect(wire.url)
    try:
        await connection.execute("INSERT INTO said VALUES (%s)", (word,))
        await connection.commit()
    finally:
        await connection.close()


def said(url: str) -> list[Any]:
    """What is in the table."""
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT word FROM said")]


@pytest.mark.parametrize(
    ("strike", "at", "kept", "killed"),
    [
        ("die before", 2, [], True),
        ("die after", 1, [], True),
        ("die after", 2, ["word"], True),
        ("lose the answer", 1, [], False),
        ("lose the answer", 2, ["word"], False),
    ],
)
async def test_a_strike_hits_one_statement(
    database: str, strike: Any, at: int, kept: list[str], killed: bool
) -> None:
    """BEGIN is 0, INSERT 1, COMMIT 2. The client never learns what became of it."""
    moments, kills = Moments(), []
    wire = CountingWire("database", database, moments)
    await wire.open()
    moments.arm(at, strike, lambda: kills.append(at))

    with pytest.raises(psycopg.OperationalError):
        await say(wire, "word")
    await wire.close()

    assert said(database) == kept
    assert bool(kills) == killed
    assert moments.struck is not None


async def test_unstruck_statements_pass_and_are_named(database: str) -> None:
    """Every statement is one moment."""
    moments = Moments()
    wire = CountingWire("database", database, moments)
    await wire.open()

    await say(wire, "word")
    await wire.close()

    assert said(database) == ["word"]
    assert moments.seen == ["database: BEGIN", "database: INSERT INTO said VALUES",
                            "database: COMMIT"]  # fmt: skip
