"""What a command works with: given servers, running ones, or its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg
import pytest
import redis

from almoner.bootstrap.limits import limits_of
from almoner.platform.embedded import servers as servers_module
from almoner.platform.embedded.data_dir import DataDir, Runtime
from almoner.platform.embedded.errors import DataDirInUse
from almoner.platform.embedded.servers import servers
from almoner.platform.settings import Settings

from .conftest import Supervised, pids_in


def _postmaster(url: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
    assert row is not None
    return row[0]


def test_servers_that_are_given_are_used(settings: Settings, folder: Path) -> None:
    """With both addresses set nothing is started; the key still comes from the data directory."""
    given = msgspec.structs.replace(
        settings.servers, database_url="postgresql://db", redis_url="redis://cache"
    )

    with servers(msgspec.structs.replace(settings, servers=given)) as filled:
        assert filled.servers == given
        assert filled.secrets.secret_key == DataDir(folder / "data").secret_key()

    assert [path.name for path in (folder / "data").iterdir()] == ["secret-key"]


def test_a_key_that_is_given_is_used(settings: Settings) -> None:
    """And none is made."""
    secrets = msgspec.structs.replace(settings.secrets, secret_key="k" * 40)

    filled = servers_module.with_secret_key(msgspec.structs.replace(settings, secrets=secrets))

    assert filled.secrets.secret_key == "k" * 40


def test_private_servers_last_as_long_as_the_command(settings: Settings, folder: Path) -> None:
    """They work inside, and nothing of them is left afterwards."""
    with servers(settings) as filled:
        assert _postmaster(filled.servers.database_url)
        assert _postmaster(filled.servers.sandbox_database_url)
        with redis.Redis.from_url(filled.servers.redis_url) as cache:
            assert cache.ping()

    assert pids_in(folder / "data") == []
    assert not (folder / "data" / "runtime.json").exists()


def test_only_the_missing_server_is_started(settings: Settings, folder: Path) -> None:
    """An operator's cache beside our database."""
    given = msgspec.structs.replace(settings.servers, redis_url="redis://cache")

    with servers(msgspec.structs.replace(settings, servers=given)) as filled:
        assert filled.servers.redis_url == "redis://cache"
        assert _postmaster(filled.servers.database_url)

    assert not (folder / "data" / "valkey.log").exists()


def test_a_failing_command_stops_its_servers(settings: Settings, folder: Path) -> None:
    """Whatever goes wrong inside."""
    with pytest.raises(LookupError), servers(settings):
        raise LookupError

    assert pids_in(folder / "data") == []


def test_a_running_serve_is_joined(
    settings: Settings, supervise: Callable[..., Supervised]
) -> None:
    """`almoner check` beside `almoner serve` asks the same database, and leaves it running."""
    supervise().url()

    with servers(settings) as filled:
        first = _postmaster(filled.servers.database_url)
    with servers(settings) as filled:
        second = _postmaster(filled.servers.database_url)

    assert first == second


def test_the_limits_are_those_of_the_running_serve(
    settings: Settings, supervise: Callable[..., Supervised]
) -> None:
    """And not what the settings of the command beside it would make."""
    supervise(env={"ALMONER_LIMITS": "standard", "ALMONER_DECLINES_OF": "33"}).url()

    with servers(settings) as filled:
        found = limits_of(filled)

    assert limits_of(settings).name == "sandbox"
    assert (found.name, filled.abuse.declines_of) == ("standard", 33)


def test_another_command_is_waited_for_and_not_joined(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its servers end with it: better to wait, and to say so when it takes too long."""
    monkeypatch.setattr(servers_module, "OTHER_COMMAND_SECONDS_MAX", 0.3)
    other = DataDir(folder / "data")

    with other.locked():
        other.write_runtime(
            Runtime(supervisor_pid=os.getpid(), shared=False, database_url="a", redis_url="b")
        )
        with pytest.raises(DataDirInUse), servers(settings):
            pass


def test_what_a_killed_supervisor_said_is_not_believed(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`runtime.json` counts only when its writer holds the lock."""
    monkeypatch.setattr(servers_module, "OTHER_COMMAND_SECONDS_MAX", 0.3)
    other = DataDir(folder / "data")

    with other.locked():
        other.write_runtime(Runtime(supervisor_pid=1, shared=True, database_url="a", redis_url="b"))
        with pytest.raises(DataDirInUse), servers(settings):
            pass
