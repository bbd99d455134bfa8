"""Real servers for the tests: each worker process has its own PostgreSQL and Valkey."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest

from almoner.migrations.run import upgrade
from almoner.platform.embedded import postgres
from almoner.platform.embedded.postgres_settings import server_options
from almoner.platform.embedded.servers import servers
from almoner.platform.settings import Servers, Settings
from support.donor import Donor
from support.installation import Installation, Installations
from support.tamper import superuser_url

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A private PostgreSQL and Valkey, for as long as this worker process tests.

    Nobody pulls the plug on this machine in a test, and every test makes and drops databases: this
    one server does not wait for the disk. What must survive is tried on servers that do, by tests
    that start `almoner serve`.
    """
    data_dir = str(tmp_path_factory.mktemp("servers"))
    with ExitStack() as stack:
        with patch.object(postgres, "server_options", _without_waiting):
            settings = stack.enter_context(servers(Settings(servers=Servers(data_dir=data_dir))))
        yield settings


@pytest.fixture(scope="session")
def template(embedded: Settings) -> str:
    """The name of a migrated database that others are copied from."""
    upgrade(embedded.servers.database_url)
    return "almoner"


@pytest.fixture
def new_database(embedded: Settings, template: str) -> Iterator[Callable[..., str]]:
    """Makes databases: migrated ones, or empty ones with `empty=True`. Gives their URL."""
    made: list[str] = []
    admin_url = database_url_of(embedded.servers.database_url, "postgres")

    def make(*, empty: bool = False) -> str:
        name = f"test_{next(_numbers)}"
        source = "template1" if empty else template
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {source}")
        made.append(name)
        return database_url_of(embedded.servers.database_url, name)

    yield make
    # As superuser, because autovacuum may be in there as one.
    with psycopg.connect(superuser_url(admin_url), autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def database_url(new_database: Callable[..., str]) -> str:
    """A fresh migrated database."""
    return new_database()


@pytest.fixture
def redis_url(embedded: Settings) -> str:
    """An empty cache."""
    url = embedded.servers.redis_url
    asyncio.run(_flush(url))
    return url


@pytest.fixture
async def installation(
    new_database: Callable[..., str], redis_url: str
) -> AsyncIterator[Installations]:
    """Makes whole installations in this process: databases of their own, the web application, a
    resolver. Keyword arguments are settings. Every test ends with the integrity checks."""
    installations: list[Installation] = []
    async with AsyncExitStack() as stack:

        async def make(**settings: Any) -> Installation:
            settings.setdefault("database_url", new_database())
            settings.setdefault("sandbox_database_url", new_database(empty=True))
            settings.setdefault("redis_url", redis_url)
            made = Installation(**settings)
            await stack.enter_async_context(made)
            installations.append(made)
            return made

        yield make
        for made in installations:
            assert await made.broken() == made.expected_broken


@pytest.fixture
async def almoner(installation: Installations) -> Installation:
    """One installation with a quick sandbox gateway."""
    return await installation()


@pytest.fixture
def donor(almoner: Installation) -> Donor:
    """Somebody who gives through the HTTP API."""
    return Donor(almoner)


@pytest.fixture
def shared_data() -> Path:
    """Real registers and recorded answers, which are not part of the project."""
    path = Path(__file__).parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the shared data folder is not here")
    return path


def database_url_of(url: str, name: str) -> str:
    """The same server's URL for another database."""
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{query}"


def _without_waiting(run_dir: Path, conf_dir: Path) -> list[str]:
    return [*server_options(run_dir, conf_dir), "-c", "fsync=off", "-c", "full_page_writes=off"]


async def _flush(url: str) -> None:
    from almoner.platform.cache import open_cache

    cache = open_cache(url)
    await cache.flushdb()
    await cache.aclose()
