"""What `almoner serve` does: start everything in order, keep it alive, stop it in order."""

from __future__ import annotations

import http.client
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import psycopg
import structlog

from almoner.platform.embedded.children import Child, Keeper, stop_children
from almoner.platform.embedded.data_dir import DataDir, Runtime
from almoner.platform.embedded.errors import ServerFailed
from almoner.platform.embedded.listening import bind_sockets
from almoner.platform.embedded.servers import (
    MAIN_DATABASE,
    PrivateServers,
    private_servers,
    served,
    with_secret_key,
    with_servers,
)
from almoner.platform.embedded.stop_signals import StopRequested, StopSignals
from almoner.platform.settings import Settings

READY_SECONDS_MAX = 60
ENDS_BEFORE_READY_MAX = 3
# Whoever stops us may lose patience after 15 s.
STOP_SECONDS_MAX = 14.0
WEB_STOP_SECONDS = 7.0
WORKER_STOP_SECONDS = 2.5
# After a crash the web processes of the last run may still be finishing.
PORT_PATIENCE_SECONDS = 12.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Commands:
    """The command lines of the children. `web` is given the number of its socket."""

    web: Callable[[int], Sequence[str]]
    worker: Sequence[str]
    seed: Sequence[str]


@dataclass(frozen=True, slots=True)
class Ready:
    """What there is to tell once gifts can be taken."""

    url: str
    data_dir: Path
    settings: Settings


class Supervisor:
    """One run of everything, from lock to lock.

    `migrate` gets the database's URL and brings it to the newest schema; `on_ready` is called
    once, when `GET /readyz` says 200.
    """

    def __init__(
        self,
        settings: Settings,
        commands: Commands,
        *,
        migrate: Callable[[str], object],
        on_ready: Callable[[Ready], None],
    ) -> None:
        self._settings = settings
        self._commands = commands
        self._migrate = migrate
        self._on_ready = on_ready
        self._signals = StopSignals()
        self._keeper = Keeper()
        self._private: PrivateServers | None = None
        self._told: Runtime | None = None
        self._sockets: list[socket.socket] = []
        self._web: list[Child] = []
        self._others: list[Child] = []
        self._metrics_dir = ""

    def run(self) -> None:
        """Run until somebody stops us (SIGINT, SIGTERM or SIGHUP), then stop everything.

        Raises an `EmbeddedError` that says what to do when the start fails; everything that
        was started is stopped then too.
        """
        with self._signals:
            try:
                self._run_locked()
            except StopRequested:
                _log.info("stopped")

    def _run_locked(self) -> None:
        with ExitStack() as stack:
            data_dir = DataDir(self._settings.servers.data_dir) if self._needs_data_dir() else None
            if data_dir is not None:
                stack.enter_context(data_dir.locked())
            # Counters of several web processes are summed through files of one folder.
            self._metrics_dir = stack.enter_context(TemporaryDirectory(prefix="almoner-metrics-"))
            try:
                self._start(data_dir)
                while True:
                    pause_s = self._keeper.look()
                    self._tell_pids(data_dir)
                    self._signals.wait(pause_s)
            finally:
                self._signals.begin_stopping()
                self._stop()

    def _needs_data_dir(self) -> bool:
        given = self._settings.servers
        return not (given.database_url and given.redis_url)

    def _start(self, data_dir: DataDir | None) -> None:
        self._bind(data_dir)
        if data_dir is not None:
            self._start_servers(data_dir)
        else:
            _demand_reachable(self._settings.servers.database_url)
        self._settings = with_secret_key(self._settings)
        self._migrate(self._settings.servers.database_url)
        self._offer_demo_catalogue(data_dir)
        self._start_children()
        url = self._wait_until_ready()
        folder = Path(self._settings.servers.data_dir).expanduser().resolve()
        self._on_ready(Ready(url=url, data_dir=folder, settings=self._settings))

    def _bind(self, data_dir: DataDir | None) -> None:
        """Have the port before anything else, so that a taken one costs nothing."""
        web = self._settings.web
        crashed = data_dir is not None and data_dir.read_runtime() is not None
        patience_s = PORT_PATIENCE_SECONDS if crashed else 0.0
        self._sockets = bind_sockets(web.host, web.port, web.web_processes, patience_s=patience_s)

    def _start_servers(self, data_dir: DataDir) -> None:
        if self._settings.servers.database_url:
            _demand_reachable(self._settings.servers.database_url)
        self._private = private_servers(self._settings, data_dir)
        self._private.start()
        self._keeper.keep(*self._private.running)
        self._told = _runtime(self._private, self._settings)
        data_dir.write_runtime(self._told)
        self._settings = with_servers(self._settings, self._told)

    def _tell_pids(self, data_dir: DataDir | None) -> None:
        """Keep `runtime.json` true: a server that was started again is another process."""
        if data_dir is None or self._private is None:
            return
        runtime = _runtime(self._private, self._settings)
        if runtime == self._told:
            return
        self._told = runtime
        try:
            data_dir.write_runtime(runtime)
        except OSError as error:  # a full disk must not end what runs
            _log.warning("runtime_not_told", error=error.strerror)

    def _offer_demo_catalogue(self, data_dir: DataDir | None) -> None:
        """Fill an empty charity list once; who empties it later wants it empty."""
        offered = None if data_dir is None else data_dir.path / "demo-catalogue-offered"
        is_new = self._private is not None and MAIN_DATABASE in self._private.databases_made
        if offered is not None and offered.exists() and not is_new:
            return
        seed = Child("demo catalogue", self._commands.seed, self._environment())
        self._others.append(seed)
        seed.start()
        while seed.is_alive():
            self._signals.wait(1.0)
        if seed.exit_code != 0:
            _log.error("demo_catalogue_failed", exit_code=seed.exit_code)
        elif offered is not None:
            offered.touch(mode=0o600)

    def _start_children(self) -> None:
        env = self._environment()
        for number, listening in enumerate(self._sockets, start=1):
            argv = self._commands.web(listening.fileno())
            self._web.append(Child(f"web {number}", argv, env, [listening.fileno()]))
        worker = Child("worker", self._commands.worker, env)
        self._others.append(worker)
        for child in (*self._web, worker):
            child.start()
            self._keeper.keep(child)

    def _environment(self) -> dict[str, str]:
        """What the children are told; other users can read an argument, not this."""
        servers, web = self._settings.servers, self._settings.web
        told = {
            "ALMONER_DATABASE_URL": servers.database_url,
            "ALMONER_SANDBOX_DATABASE_URL": servers.sandbox_database_url,
            "ALMONER_REDIS_URL": servers.redis_url,
            "ALMONER_SECRET_KEY": self._settings.secrets.secret_key,
            "ALMONER_DATA_DIR": str(Path(servers.data_dir).expanduser().resolve()),
            "ALMONER_HOST": web.host,
            "ALMONER_PORT": str(self._port()),
            "ALMONER_WEB_PROCESSES": str(web.web_processes),
            "ALMONER_SANDBOX_WEBHOOK_URL": self._webhook_url(),
            "ALMONER_JOURNAL_DIR": self._journal_dir(),
            "PROMETHEUS_MULTIPROC_DIR": self._metrics_dir,
        }
        return {**os.environ, **{name: value for name, value in told.items() if value}}

    def _webhook_url(self) -> str:
        """Where the sandbox sends its webhooks: to ourselves, unless it was told where."""
        given = self._settings.sandbox.sandbox_webhook_url
        if given or self._settings.gateway.gateway != "sandbox":
            return given
        return f"{_url(_reachable_host(self._settings.web.host), self._port())}/webhooks/sandbox"

    def _journal_dir(self) -> str:
        """Where gifts are kept while the database is away: as set, or in the data directory."""
        given = self._settings
        folder = Path(given.servers.data_dir).expanduser().resolve() / "journal"
        return given.journal.journal_dir or str(folder)

    def _port(self) -> int:
        return int(self._sockets[0].getsockname()[1])

    def _wait_until_ready(self) -> str:
        """Wait for a web process to say it is ready; the address donors may use."""
        host, port = _reachable_host(self._settings.web.host), self._port()
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not _says_ready(host, port):
            pause_s = self._keeper.look()
            if max(self._keeper.ends(child) for child in self._web) >= ENDS_BEFORE_READY_MAX:
                raise ServerFailed(
                    f"The web process ends before it is ready (code {self._web[0].exit_code}); "
                    "what it said stands above."
                )
            if time.monotonic() > deadline:
                raise ServerFailed(f"Nothing was ready on port {port} within 60 s.")
            self._signals.wait(min(0.05, pause_s))
        return _url(host, port)

    def _stop(self) -> None:
        """Web first, so that no gift begins; then the worker, the cache and the database."""
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for listening in self._sockets:
            listening.close()
        stop_children(self._web, WEB_STOP_SECONDS, lambda: self._signals.hurry)
        stop_children(self._others, WORKER_STOP_SECONDS, lambda: self._signals.hurry)
        if self._private is not None:
            left_s = deadline - time.monotonic() - 3
            self._private.stop(database_seconds=1.0 if self._signals.hurry else max(2.0, left_s))


def _runtime(private: PrivateServers, settings: Settings) -> Runtime:
    return msgspec.structs.replace(private.runtime(shared=True), served=served(settings))


def _demand_reachable(database_url: str) -> None:
    try:
        psycopg.connect(database_url, connect_timeout=10).close()
    except psycopg.Error as error:
        raise ServerFailed(
            f"The database of ALMONER_DATABASE_URL cannot be used: {str(error).strip()}"
        ) from error


def _reachable_host(host: str) -> str:
    """Where a caller on this machine finds a server that listens on `host`."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _url(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def _says_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
