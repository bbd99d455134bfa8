"""The servers a command works with: those it was given, those that run already, or its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from almoner.platform.embedded.data_dir import DataDir, Runtime, Served
from almoner.platform.embedded.errors import DataDirInUse, DataDirUnusable, ServerFailed
from almoner.platform.embedded.identity import server_identity, with_reach
from almoner.platform.embedded.launch import Identity
from almoner.platform.embedded.postgres import Postgres
from almoner.platform.embedded.programs import postgres_programs, valkey_program
from almoner.platform.embedded.run_dir import make_run_dir, remove_run_dir
from almoner.platform.embedded.valkey import Valkey
from almoner.platform.settings import Settings

MAIN_DATABASE = "almoner"
SANDBOX_DATABASE = "almoner_sandbox"

OTHER_COMMAND_SECONDS_MAX = 30


class PrivateServers:
    """PostgreSQL and Valkey of one data directory, either or both.

    The caller holds the directory's lock from before `start` until after `stop`, and calls
    `start` from the main thread (see `launch`).
    """

    def __init__(self, data_dir: DataDir, *, database: bool = True, cache: bool = True) -> None:
        self._data_dir = data_dir
        self._wants_database = database
        self._wants_cache = cache
        self._run_dir: Path | None = None
        self.postgres: Postgres | None = None
        self.valkey: Valkey | None = None
        self.databases_made: list[str] = []

    def start(self) -> None:
        """Start them and make the databases that are missing.

        Raises an `EmbeddedError` that says what to do; `stop` is then still to be called.
        """
        try:
            self._start()
        except subprocess.SubprocessError as error:
            raise ServerFailed(
                "A server could not be made to run as its user: this process lacks the right to "
                "(a container without CAP_SETUID?). Run as an ordinary user."
            ) from error
        except PermissionError as error:
            raise DataDirUnusable(
                f"{error.filename} may not be read or written by this user. Run this as the user "
                "who made the data directory, or choose another with --data-dir."
            ) from error

    def _start(self) -> None:
        path = self._data_dir.path
        self._remove_leftovers()
        identity = server_identity(path / "postgres")
        self._let_pass(identity)
        self._run_dir = make_run_dir(path, identity)
        programs = [postgres_programs().postgres, postgres_programs().initdb, valkey_program()]
        identity = with_reach(identity, programs, [path, self._run_dir])
        if self._wants_cache:
            self.valkey = Valkey(path, self._run_dir, identity)
            self.valkey.start()
        if self._wants_database:
            self.postgres = Postgres(path, self._run_dir, identity)
            self.postgres.start()
            self.databases_made = self.postgres.createdb(MAIN_DATABASE, SANDBOX_DATABASE)

    def _let_pass(self, identity: Identity | None) -> None:
        """A folder root has just made lets the servers' group through, and nobody look."""
        if identity is not None and self._data_dir.is_new:
            os.chown(self._data_dir.path, -1, identity.gid)
            self._data_dir.path.chmod(0o710)

    def _remove_leftovers(self) -> None:
        left = self._data_dir.read_runtime()
        if left is not None and left.run_dir_outside is not None:
            remove_run_dir(Path(left.run_dir_outside))
        self._data_dir.remove_runtime()

    @property
    def running(self) -> list[Postgres | Valkey]:
        """Those that were started."""
        return [server for server in (self.postgres, self.valkey) if server is not None]

    def runtime(self, *, shared: bool) -> Runtime:
        """Where they are, for `runtime.json`. `shared`: other commands may use them."""
        outside = self._run_dir is not None and self._run_dir.parent != self._data_dir.path
        return Runtime(
            supervisor_pid=os.getpid(),
            shared=shared,
            database_url=self.postgres.url(MAIN_DATABASE) if self.postgres else None,
            sandbox_database_url=self.postgres.url(SANDBOX_DATABASE) if self.postgres else None,
            redis_url=self.valkey.url() if self.valkey else None,
            run_dir_outside=str(self._run_dir) if outside else None,
            pids={server.name: server.pid for server in self.running if server.pid is not None},
        )

    def stop(self, *, database_seconds: float = 10.0) -> None:
        """Stop them, the cache first; the database gets so long before it is made to stop."""
        if self.valkey is not None:
            self.valkey.stop()
        if self.postgres is not None:
            self.postgres.stop(database_seconds)
        if self._run_dir is not None:
            remove_run_dir(self._run_dir)
        self._data_dir.remove_runtime()


@contextmanager
def servers(settings: Settings) -> Iterator[Settings]:
    """The settings with every server and the secret key filled in, for as long as it lasts.

    Servers named in the settings are used and none is started. Those of a `serve` that runs on
    the same data directory are used too. Otherwise private ones are started, and stopped at the
    end. Call it from the main thread. Raises an `EmbeddedError` that says what to do, among
    them `DataDirInUse` when another command keeps the directory for longer than 30 s.
    """
    if settings.servers.database_url and settings.servers.redis_url:
        yield with_secret_key(settings)
        return
    data_dir = DataDir(settings.servers.data_dir)
    with ExitStack() as stack:
        runtime = _attach_or_lock(settings, data_dir, stack)
        if runtime is None:
            runtime = stack.enter_context(_own_servers(settings, data_dir))
        yield with_servers(with_secret_key(settings), runtime)


def _attach_or_lock(settings: Settings, data_dir: DataDir, stack: ExitStack) -> Runtime | None:
    """What runs on this directory already; None when nothing does and the lock is now ours."""
    deadline = time.monotonic() + OTHER_COMMAND_SECONDS_MAX
    while True:
        try:
            stack.enter_context(data_dir.locked())
        except DataDirInUse:
            runtime = data_dir.read_runtime()
            if runtime is not None and _is_usable(runtime, settings, data_dir):
                return runtime
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return None


def _is_usable(runtime: Runtime, settings: Settings, data_dir: DataDir) -> bool:
    return (
        runtime.shared
        and runtime.supervisor_pid == data_dir.holder_pid()
        and bool(settings.servers.database_url or runtime.database_url)
        and bool(settings.servers.redis_url or runtime.redis_url)
    )


@contextmanager
def _own_servers(settings: Settings, data_dir: DataDir) -> Iterator[Runtime]:
    private = private_servers(settings, data_dir)
    try:
        private.start()
        runtime = private.runtime(shared=False)
        data_dir.write_runtime(runtime)
        yield runtime
    finally:
        private.stop()


def private_servers(settings: Settings, data_dir: DataDir) -> PrivateServers:
    """The servers that the settings leave to us, not started yet."""
    return PrivateServers(
        data_dir,
        database=not settings.servers.database_url,
        cache=not settings.servers.redis_url,
    )


def with_servers(settings: Settings, runtime: Runtime) -> Settings:
    """The settings with the servers of `runtime` where they name none themselves.

    With a database of the operator's own and no `ALMONER_SANDBOX_DATABASE_URL`,
    `sandbox_database_url` stays empty. Beside a `serve`, limits are those that it was started with.
    """
    given = settings.servers
    filled = msgspec.structs.replace(
        given,
        database_url=given.database_url or runtime.database_url or "",
        sandbox_database_url=given.sandbox_database_url or runtime.sandbox_database_url or "",
        redis_url=given.redis_url or runtime.redis_url or "",
    )
    settings = msgspec.structs.replace(settings, servers=filled)
    return settings if runtime.served is None else _with_limits(settings, runtime.served)


def served(settings: Settings) -> Served:
    """What `serve` tells other commands of its settings."""
    abuse = settings.abuse
    return Served(settings.web.host, settings.web.limits, abuse.declines_percent, abuse.declines_of)


def _with_limits(settings: Settings, told: Served) -> Settings:
    return msgspec.structs.replace(
        settings,
        web=msgspec.structs.replace(settings.web, host=told.host, limits=told.limits),
        abuse=msgspec.structs.replace(
            settings.abuse, declines_percent=told.declines_percent, declines_of=told.declines_of
        ),
    )


def with_secret_key(settings: Settings) -> Settings:
    """The settings with the data directory's secret key when they have none.

    Raises `DataDirUnusable` when the key cannot be made or read.
    """
    if settings.secrets.secret_key:
        return settings
    key = DataDir(settings.servers.data_dir).secret_key()
    return msgspec.structs.replace(
        settings, secrets=msgspec.structs.replace(settings.secrets, secret_key=key)
    )
