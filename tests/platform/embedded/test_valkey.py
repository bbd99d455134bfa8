"""The private Valkey, for real."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from almoner.platform.embedded.data_dir import DataDir
from almoner.platform.embedded.servers import PrivateServers

from .conftest import eventually, is_running


@pytest.fixture
def servers(folder: Path) -> Iterator[PrivateServers]:
    private = PrivateServers(DataDir(folder / "data"), database=False)
    private.start()
    yield private
    private.stop()


def test_it_answers_over_its_socket_and_nowhere_else(servers: PrivateServers) -> None:
    """Ready means that a client works; no port is open."""
    assert servers.valkey is not None
    assert servers.postgres is None

    with redis.Redis.from_url(servers.valkey.url()) as client:
        assert client.ping()
        assert client.config_get("port") == {"port": "0"}


def test_it_writes_nothing_to_the_disk(servers: PrivateServers, folder: Path) -> None:
    """A save that was asked for by accident would hold donors' sessions."""
    assert servers.valkey is not None
    with redis.Redis.from_url(servers.valkey.url()) as client:
        client.set("session", "somebody")
        assert client.config_get("save") == {"save": ""}
    servers.stop()

    assert {path.name for path in folder.rglob("*") if path.is_file()} == {"valkey.log"}


def test_it_starts_again_after_a_kill(servers: PrivateServers) -> None:
    """The socket a killed server leaves behind is in nobody's way."""
    assert servers.valkey is not None
    pid = servers.valkey.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    valkey = servers.valkey
    eventually(lambda: not valkey.is_alive())

    servers.valkey.start()

    with redis.Redis.from_url(servers.valkey.url()) as client:
        assert client.ping()


def test_stopping_twice_is_stopping_once(servers: PrivateServers) -> None:
    """Stop may be called from wherever a start failed."""
    assert servers.valkey is not None
    pid = servers.valkey.pid
    assert pid is not None

    servers.stop()
    servers.stop()

    assert not is_running(pid)
