"""Choosing the charity of a gift."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from almoner.charities.choose import CharityChooser
from almoner.charities.seed_demo import seed_demo
from almoner.migrations.run import upgrade
from almoner.platform.db import Database, DatabaseAway
from almoner.platform.embedded.servers import servers
from almoner.platform.settings import Servers, Settings


@pytest.fixture
async def chooser(database: Database) -> AsyncIterator[CharityChooser]:
    await seed_demo(database)
    chooser = CharityChooser(database)
    yield chooser
    await chooser.close()


async def test_a_charity_is_chosen_by_its_number(chooser: CharityChooser) -> None:
    """With all that the give path must know."""
    charity = await chooser.choose(101)

    assert charity is not None
    assert (charity.slug, charity.name_zh, charity.status) == (
        "american-red-cross", "美国红十字会", "active",
    )  # fmt: skip
    assert charity.currencies is None


@pytest.mark.parametrize("number", [7, 0, -1, 2**63, 10**30])
async def test_an_unknown_number_is_none(chooser: CharityChooser, number: int) -> None:
    """Also one that fits no database."""
    assert await chooser.choose(number) is None


async def test_choosing_is_cheap(chooser: CharityChooser) -> None:
    """10,000 gifts a second leave it a few microseconds each."""
    await chooser.choose(101)
    started = time.perf_counter()

    for _ in range(10_000):
        await chooser.choose(101)

    assert time.perf_counter() - started < 0.5


async def test_while_the_database_is_away_the_last_known_one_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was never known is an error, not a missing charity."""
    settings = Settings(servers=Servers(data_dir=str(tmp_path)))
    with servers(settings) as running:
        await asyncio.to_thread(upgrade, running.servers.database_url)
        database = Database(running.servers.database_url, size=2, wait_ms=300)
        await database.open()
        await seed_demo(database)
        chooser = CharityChooser(database)
        monkeypatch.setattr(chooser._known, "_ttl_s", 0.0)
        assert await chooser.choose(101) is not None
        assert await chooser.choose(7) is None

    charity = await chooser.choose(101)

    assert charity is not None
    for number in (7, 102):
        with pytest.raises(DatabaseAway):
            await chooser.choose(number)
    await chooser.close()
    await database.close()
