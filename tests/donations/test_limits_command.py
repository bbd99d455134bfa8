"""`almoner limits` as an operator uses it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from almoner.cli.limits import app
from almoner.donations.level_store import SharedLevels
from almoner.donations.levels import Level, LevelRules
from almoner.platform.cache import open_cache
from support.installation import SECRET_KEY

Limits = Callable[..., Result]


@pytest.fixture
def limits(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Limits:
    """Runs the command beside two charities, one of them on guard."""
    monkeypatch.setenv("ALMONER_DATABASE_URL", database_url)
    monkeypatch.setenv("ALMONER_REDIS_URL", redis_url)
    monkeypatch.setenv("ALMONER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ALMONER_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("ALMONER_LIMITS", "standard")
    asyncio.run(_outcomes(redis_url))

    def run(*arguments: object) -> Result:
        try:
            return CliRunner().invoke(app, [str(argument) for argument in arguments])
        finally:
            structlog.reset_defaults()  # its log went to a stream that is closed now

    return run


async def _outcomes(redis_url: str) -> None:
    cache = open_cache(redis_url)
    levels = SharedLevels(cache, LevelRules())
    await levels.add({101: (10, 30), 102: (7, 0)})
    await levels.move(101, Level.NORMAL, Level.STRICT)
    await cache.aclose()


def test_show_tells_the_rules_and_the_charities(limits: Limits) -> None:
    """For people, and as JSON for scripts."""
    shown = limits("show")
    told = json.loads(limits("show", "--json").stdout)
    one = json.loads(limits("show", "--charity", 102, "--json").stdout)

    assert shown.exit_code == 0, shown.output
    assert "30 declined, 10 paid" in shown.output
    assert told["limits"] == "standard"
    assert {rule["name"]: rule["count"] for rule in told["rules"]}["give-minute"] == 3
    assert told["charities"] == [
        {"charity_id": 101, "level": "strict", "paid": 10, "declined": 30},
        {"charity_id": 102, "level": "normal", "paid": 7, "declined": 0},
    ]
    assert [row["charity_id"] for row in one["charities"]] == [102]


def test_reset_forgets_one_charity(limits: Limits) -> None:
    """And says whether there was anything; the other one stays as it is."""
    first = json.loads(limits("reset", "--charity", 101, "--json").stdout)
    again = limits("reset", "--charity", 101)

    left = json.loads(limits("show", "--json").stdout)["charities"]
    assert first == {"charity_id": 101, "known": True}
    assert "Nothing was known" in again.output
    assert [row["charity_id"] for row in left] == [102]


def test_without_valkey_it_says_so(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code 3, as for every command that could not look."""
    monkeypatch.setenv("ALMONER_REDIS_URL", "redis://127.0.0.1:1")

    assert limits("show").exit_code == 3
    assert limits("reset", "--charity", 101).exit_code == 3
