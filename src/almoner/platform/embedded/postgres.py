"""A private PostgreSQL: our direct child, reached over a socket only, gone when we are gone."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from almoner.platform.embedded.cluster import (
    SERVER_ENVIRONMENT,
    ensure_cluster,
    is_ready,
    wait_for_old_server,
)
from almoner.platform.embedded.data_dir import write_durably
from almoner.platform.embedded.errors import ServerFailed
from almoner.platform.embedded.identity import SERVER_USER
from almoner.platform.embedded.launch import Identity, launch, stop_signals_held, wait_for_exit
from almoner.platform.embedded.postgres_settings import (
    APPLICATION_ROLE,
    SUPERUSER_ROLE,
    access_files,
    server_options,
)
from almoner.platform.embedded.programs import postgres_programs
from almoner.platform.embedded.server_log import ServerLog

PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
# Replaying the write-ahead log after a crash may take a while on a slow disk.
READY_SECONDS_MAX = 120


class Postgres:
    """The server of the database files in `<data_dir>/postgres`.

    `run_dir` is the folder of its socket. `identity` is the user it runs as, None for ourselves.
    The caller holds the data directory's lock.
    """

    name = "PostgreSQL"

    def __init__(self, data_dir: Path, run_dir: Path, identity: Identity | None = None) -> None:
        self.pgdata = data_dir / "postgres"
        self.run_dir = run_dir
        self._conf_dir = data_dir / "conf"
        self._identity = identity
        self._log = ServerLog(data_dir / "postgres.log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the running server, None when it does not run."""
        return self._process.pid if self._process is not None and self.is_alive() else None

    def is_alive(self) -> bool:
        """Whether the server process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server, making the database first when there is none; return when ready.

        Also starts it again after it died. Raises `WrongMajorVersion`, `ProgramMissing`, and
        `ServerFailed` with the end of the log.
        """
        self._write_access_files()
        wait_for_old_server(self.pgdata)
        ensure_cluster(self.pgdata, self._identity, self._log)
        argv: list[str | Path] = [
            *(postgres_programs().postgres, "-D", self.pgdata),
            *server_options(self.run_dir, self._conf_dir),
        ]
        with self._log.open() as output, stop_signals_held():
            self._process = launch(
                argv,
                death_signal=signal.SIGINT,
                identity=self._identity,
                env=SERVER_ENVIRONMENT,
                output=output,
            )
        self._wait_until_ready(self._process)

    def _write_access_files(self) -> None:
        # The server reads them and may not write them: it shall not choose who may enter.
        self._conf_dir.mkdir(exist_ok=True)
        self._conf_dir.chmod(0o750)
        self._show_to_server(self._conf_dir)
        for name, text in access_files(sorted(self._users_let_in())).items():
            draft = self._conf_dir / f"{name}.new"
            write_durably(draft, text)
            draft.chmod(0o640)
            self._show_to_server(draft)
            draft.replace(self._conf_dir / name)

    def _show_to_server(self, path: Path) -> None:
        if self._identity is not None:
            owner_uid = self._conf_dir.parent.stat().st_uid
            os.chown(path, owner_uid, self._identity.gid, follow_symlinks=False)

    def _users_let_in(self) -> set[str]:
        users = {pwd.getpwuid(uid).pw_name for uid in (os.geteuid(), 0)}
        if self._identity is not None and self._identity.user_name != SERVER_USER:
            # Root looks at an ordinary user's data, and that user keeps his way in.
            users.add(self._identity.user_name)
        return users

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not is_ready(self.pgdata, process.pid):
            if process.poll() is not None:
                raise ServerFailed(
                    f"PostgreSQL ended at once (code {process.returncode}). "
                    f"The end of {self._log.path}:\n{self._log.tail()}"
                )
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"PostgreSQL was not ready within {READY_SECONDS_MAX} s. "
                    f"The end of {self._log.path}:\n{self._log.tail()}"
                )
            time.sleep(0.01)

    def url(self, database: str, role: str = APPLICATION_ROLE) -> str:
        """The libpq URL of a database over our socket; it holds no password, none is needed."""
        host = quote(str(self.run_dir), safe="")
        return f"postgresql://{role}@/{quote(database)}?host={host}&port={PORT}"

    def superuser_url(self, database: str) -> str:
        """The same as superuser: for looking after the server, not for the application."""
        return self.url(database, SUPERUSER_ROLE)

    def createdb(self, *names: str) -> list[str]:
        """Make the databases that are missing, owned by the application's role; say which.

        That role may make databases but is no superuser: a statement slipped in through it
        cannot read files or run programs.
        """
        with psycopg.connect(self.superuser_url("template1"), autocommit=True) as connection:
            _ensure_role(connection)
            if postgres_programs().has_pg_stat_statements:
                _ensure_extension(connection, "pg_stat_statements")
        with psycopg.connect(self.superuser_url("postgres"), autocommit=True) as connection:
            return [name for name in names if _made_database(connection, name)]

    def stop(self, seconds: float = 10.0) -> None:
        """Stop: open transactions are rolled back and everything is flushed (SIGINT).

        Not gone after so many seconds, it is made to stop at once, to recover at its next start
        (SIGQUIT), and in the end killed. Does nothing when it does not run.
        """
        process, self._process = self._process, None
        if process is None:
            return
        for number, patience in (
            (signal.SIGINT, seconds),
            (signal.SIGQUIT, 1),
            (signal.SIGKILL, 1),
        ):
            if process.poll() is not None:
                return
            process.send_signal(number)
            if wait_for_exit(process, patience):
                return


def _ensure_role(connection: psycopg.Connection) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APPLICATION_ROLE])
    if known.fetchone() is None:
        role = sql.Identifier(APPLICATION_ROLE)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(role))
        connection.execute(sql.SQL("GRANT pg_monitor, pg_checkpoint TO {}").format(role))


def _ensure_extension(connection: psycopg.Connection, name: str) -> None:
    # In template1, so that every database made from it has it.
    known = connection.execute("SELECT 1 FROM pg_extension WHERE extname = %s", [name])
    if known.fetchone() is None:
        connection.execute(sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(name)))


def _made_database(connection: psycopg.Connection, name: str) -> bool:
    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
    if known.fetchone() is not None:
        return False
    statement = sql.SQL("CREATE DATABASE {} OWNER {}")
    connection.execute(statement.format(sql.Identifier(name), sql.Identifier(APPLICATION_ROLE)))
    return True
