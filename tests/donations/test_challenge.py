"""The proof of work: cheap to set and to check, good for one gift."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from almoner.donations.challenge import Challenges
from almoner.donations.levels import Level
from almoner.platform.cache import open_cache
from support.forms import at, solve
from support.installation import Installations

SECRET = "a secret key for the tests of almoner"


@pytest.fixture(params=["with Valkey", "without"])
async def challenges(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Challenges]:
    """Little puzzles; used solutions are remembered in Valkey, or in the process."""
    cache = open_cache(redis_url if request.param == "with Valkey" else "redis://127.0.0.1:1")
    yield Challenges(SECRET, cache, work=64)
    await cache.aclose()


def changed(solution: str, **parameters: Any) -> str:
    """The same solution of a puzzle that somebody made easier."""
    payload = json.loads(b64decode(solution))
    payload["challenge"]["parameters"] |= parameters
    return b64encode(json.dumps(payload).encode()).decode()


async def test_a_solution_is_good_for_one_gift(challenges: Challenges) -> None:
    """The same gift may show it again, another may not."""
    solution = solve(challenges.set(Level.CHALLENGE).challenge)

    shown = [await challenges.solved(solution, name, Level.CHALLENGE) for name in "aabba"]

    assert shown == [True, True, False, False, True]


async def test_an_easy_solution_does_not_do_for_a_harder_level(challenges: Challenges) -> None:
    """Nor the other way round is anything asked twice."""
    easy = solve(challenges.set(Level.CHALLENGE).challenge)
    hard = solve(challenges.set(Level.STRICT).challenge)

    assert not await challenges.solved(easy, "a", Level.STRICT)
    assert await challenges.solved(hard, "a", Level.CHALLENGE)


async def test_a_solution_is_good_for_ten_minutes(challenges: Challenges) -> None:
    """Nobody keeps a store of them."""
    solution = solve(challenges.set(Level.CHALLENGE).challenge)

    with at(601):
        late = await challenges.solved(solution, "a", Level.CHALLENGE)

    assert not late
    assert await challenges.solved(solution, "a", Level.CHALLENGE)


async def test_a_puzzle_that_we_did_not_set_is_none(challenges: Challenges) -> None:
    """Another prefix, more time, another level, somebody else's secret, or no solution at all."""
    puzzle = challenges.set(Level.CHALLENGE)
    solution = solve(puzzle.challenge)
    others = Challenges("another secret key of thirty-two signs", None, work=64)
    forged = [
        None,
        "",
        "no base64!",
        b64encode(b"[]").decode(),
        b64encode(b'{"challenge": {"parameters": []}, "solution": {}}').decode(),
        b64encode(b"[" * 1500).decode(),
        "A" * 4000,
        solve(others.set(Level.CHALLENGE).challenge),
        changed(solution, keyPrefix="00"),
        changed(solution, data={"level": 3, "until_ms": puzzle.until_ms}),
        changed(solution, keySignature=None),
        b64encode(
            json.dumps(
                {
                    "challenge": puzzle.challenge,
                    "solution": {"counter": 1, "derivedKey": "00" * 32},
                }
            ).encode()
        ).decode(),
    ]

    assert [await challenges.solved(f, "a", Level.CHALLENGE) for f in forged] == [False] * 12
    assert await challenges.solved(solution, "a", Level.CHALLENGE)


async def test_a_script_may_do_the_work_ahead_but_not_ask_for_hundreds(
    installation: Installations,
) -> None:
    """Thirty a minute for an address, then 429; each is cheap to make."""
    almoner = await installation(limits="standard")

    answers = [await almoner.client.get("/challenge?charity_id=101") for _ in range(32)]

    codes = [a.status_code for a in answers]
    assert codes[:30] == [200] * 30
    assert codes[-1] == 429
    assert set(answers[0].json()) == {"challenge", "expires_at"}
    assert answers[0].headers["Cache-Control"] == "no-store"
