"""One run of everything: start, kill, restart, stop. Real servers, stand-ins for web and worker."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from almoner.platform.embedded.data_dir import DataDir, Runtime

from .conftest import Supervised, eventually, pids_in

Supervise = Callable[..., Supervised]


def _ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def _runtime(data: Path) -> Runtime:
    runtime = DataDir(data).read_runtime()
    assert runtime is not None
    return runtime


def _pid(data: Path, name: str) -> int:
    return _runtime(data).pids[name]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything(
    supervise: Supervise, folder: Path, number: signal.Signals
) -> None:
    """Exit code 0, no process left, no word of running servers left."""
    served = supervise()
    served.url()

    code = served.stop(number)

    assert code == 0
    assert pids_in(folder / "data") == []
    assert DataDir(folder / "data").read_runtime() is None


def test_the_children_are_told_everything_and_nothing_by_argument(
    supervise: Supervise, folder: Path
) -> None:
    """Addresses and the key travel in the environment, which other users cannot read."""
    url = supervise().url()

    answer = _ask(url)

    told = answer["told"]
    assert told["ALMONER_DATABASE_URL"] == _runtime(folder / "data").database_url
    assert told["ALMONER_SECRET_KEY"] == DataDir(folder / "data").secret_key()
    assert told["ALMONER_PORT"] == url.rpartition(":")[2]
    assert not set(answer["argv"]) & set(told.values())


def test_the_second_start_is_quick_and_does_not_seed(supervise: Supervise, folder: Path) -> None:
    """The demo catalogue is offered once; who removed it is not given it again."""
    first = supervise()
    first.url()
    first.stop()
    began_at = time.monotonic()

    supervise().url()

    assert time.monotonic() - began_at < 5
    assert (folder / "data" / "seeded").read_text() == "once\n"


def test_a_second_serve_is_refused_and_harms_nothing(supervise: Supervise, folder: Path) -> None:
    """It hears who has the data; the first does not notice."""
    first = supervise()
    url = first.url()
    before = _runtime(folder / "data")

    second = supervise()
    said = second.end()

    assert second.process.returncode == 2
    assert f"in use by process {first.process.pid}" in said
    assert _runtime(folder / "data") == before
    assert _ask(url)["pid"]


def test_killing_the_supervisor_leaves_nothing_running(supervise: Supervise, folder: Path) -> None:
    """kill -9 takes the servers and the children with it, and the next start just works."""
    first = supervise()
    first.url()
    database_url = str(_runtime(folder / "data").database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE gift AS SELECT 5 AS amount")
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()

    supervise().url()

    with psycopg.connect(str(_runtime(folder / "data").database_url)) as connection:
        assert connection.execute("SELECT amount FROM gift").fetchone() == (5,)
    # Both are there, and only once: the first supervisor's are gone.
    running = pids_in(folder / "data")
    assert len([pid for pid in running if _is_postmaster(pid)]) == 1


def _is_postmaster(pid: int) -> bool:
    return b"bin/postgres\0-D" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_after_a_kill_everything_ends_without_a_next_start(
    supervise: Supervise, folder: Path
) -> None:
    """Nobody needs to clean up."""
    served = supervise()
    served.url()
    os.kill(served.process.pid, signal.SIGKILL)
    served.process.wait()

    eventually(lambda: not pids_in(folder / "data"))


@pytest.mark.parametrize("server", ["PostgreSQL", "Valkey"])
def test_a_server_that_dies_is_started_again(
    supervise: Supervise, folder: Path, server: str
) -> None:
    """The web process stays the same, the server is there again at the same address.

    `runtime.json` names the new process, and not a number that may be another's by now.
    """
    url = supervise(env={"ALMONER_WEB_PROCESSES": "1"}).url()
    web_pid = _ask(url)["pid"]
    pid = _pid(folder / "data", server)

    os.kill(pid, signal.SIGKILL)

    eventually(lambda: _answers(folder / "data", server))
    eventually(lambda: _runtime(folder / "data").pids.get(server, pid) != pid)
    assert _pid(folder / "data", server) in pids_in(folder / "data")
    assert _ask(url)["pid"] == web_pid


def _answers(data: Path, server: str) -> bool:
    runtime = _runtime(data)
    if server == "Valkey":
        import redis

        try:
            with redis.Redis.from_url(str(runtime.redis_url)) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False
    try:
        psycopg.connect(str(runtime.database_url)).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_web_process_that_dies_is_started_again(supervise: Supervise) -> None:
    """Its callers wait at its socket and are served by the next."""
    url = supervise(env={"ALMONER_WEB_PROCESSES": "1"}).url()
    before = _ask(url)["pid"]
    os.kill(before, signal.SIGKILL)

    after = _ask(url)["pid"]

    assert after != before


def test_a_signal_in_the_middle_of_the_start_stops_everything(
    supervise: Supervise, folder: Path
) -> None:
    """During a migration, with the servers up and no web yet."""
    served = supervise("--slow-migration")
    assert served.process.stderr is not None
    assert any("migrating" in line for line in iter(served.process.stderr.readline, ""))
    began_at = time.monotonic()

    code = served.stop()

    assert code == 0
    assert time.monotonic() - began_at < 5
    assert pids_in(folder / "data") == []


@pytest.mark.parametrize("after_ms", [50, 300, 500, 700, 900])
def test_a_signal_at_any_moment_stops_everything(
    supervise: Supervise, folder: Path, after_ms: int
) -> None:
    """Interpreter start, initdb, server start, children: none is left, and a start goes on."""
    served = supervise()
    time.sleep(after_ms / 1000)

    code = served.stop()

    # Before our own first line of code Python's default ends the process.
    assert code in (0, -signal.SIGTERM)
    eventually(lambda: not pids_in(folder / "data"), seconds=5)
    supervise().url()


@pytest.mark.parametrize("after_ms", [250, 400, 600])
def test_a_kill_during_the_first_start_is_mended_by_the_next(
    supervise: Supervise, folder: Path, after_ms: int
) -> None:
    """Also in the middle of initdb, and with no pause before the next start."""
    served = supervise()
    time.sleep(after_ms / 1000)
    os.kill(served.process.pid, signal.SIGKILL)
    served.process.wait()

    supervise().url()

    assert _answers(folder / "data", "PostgreSQL")
    assert not (folder / "data" / "postgres.incomplete").exists()


def test_a_stubborn_child_does_not_hold_up_the_stop(supervise: Supervise, folder: Path) -> None:
    """A worker that ignores SIGTERM is killed; a second Ctrl-C makes that sooner."""
    served = supervise("--stubborn")
    served.url()
    began_at = time.monotonic()
    served.process.send_signal(signal.SIGINT)
    time.sleep(0.8)

    code = served.stop(signal.SIGINT)

    assert code == 0
    assert time.monotonic() - began_at < 2.5
    assert pids_in(folder / "data") == []


def test_a_web_that_cannot_start_is_said_and_not_tried_for_ever(
    supervise: Supervise, folder: Path
) -> None:
    """A broken installation ends with a message and nothing left running."""
    served = supervise("--broken-web")

    said = served.end()

    assert served.process.returncode == 2
    assert "cannot import something" in said
    assert "The web process ends before it is ready" in said
    assert pids_in(folder / "data") == []


def test_a_taken_port_is_said_before_anything_starts(supervise: Supervise, folder: Path) -> None:
    """Nothing is made for a start that cannot be."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        served = supervise(env={"ALMONER_PORT": str(other.getsockname()[1])})
        said = served.end()

    assert served.process.returncode == 2
    assert "is taken by another program" in said
    assert not (folder / "data" / "postgres").exists()


def test_given_servers_are_used_and_none_is_started(supervise: Supervise, folder: Path) -> None:
    """An operator's database and cache: our stand-in for them is another private pair."""
    supervise().url()
    runtime = _runtime(folder / "data")
    own = {
        "ALMONER_DATABASE_URL": str(runtime.database_url),
        "ALMONER_REDIS_URL": str(runtime.redis_url),
        "ALMONER_DATA_DIR": str(folder / "other"),
    }

    second = supervise(env=own)
    told = _ask(second.url())["told"]
    code = second.stop()

    assert code == 0
    assert told["ALMONER_DATABASE_URL"] == runtime.database_url
    assert {path.name for path in (folder / "other").iterdir()} == {"secret-key", "seeded"}
    assert _answers(folder / "data", "PostgreSQL")


def test_a_given_database_that_is_away_is_said(supervise: Supervise) -> None:
    """With the variable's name in it."""
    served = supervise(env={"ALMONER_DATABASE_URL": "postgresql://127.0.0.1:1/nowhere"})

    said = served.end()

    assert served.process.returncode == 2
    assert "ALMONER_DATABASE_URL cannot be used" in said
