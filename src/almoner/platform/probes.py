"""Probes: whether the process is alive, whether it can take gifts, what it measures."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

import structlog
from litestar import Response, Router, get
from msgspec import Struct

from almoner.platform.cache import CACHE_AWAY, Cache
from almoner.platform.db import Database, DatabaseAway
from almoner.platform.errors import Problem, Unavailable
from almoner.platform.http import AnyRequest, ClientAddress
from almoner.platform.journal.journal import Journal
from almoner.platform.metrics import exposition
from almoner.platform.restored import WHAT_TO_DO, awaits_rebuild
from almoner.platform.schema import revision_of

log = structlog.get_logger(__name__)

METRICS_WAIT_S: Final = 2
LOOK_PAUSE_S: Final = 1.0
ANSWER_S_MAX: Final = 2.0
"""How long readiness waits for the database before it counts as away."""


class Probes(Struct):
    """What the probes look at. `schema_revision` is the one this program was made for.

    `before_metrics` brings what is read from the database up to date; it gets two seconds.
    """

    database: Database
    cache: Cache | None
    schema_revision: str
    metrics_token: str
    client_address: ClientAddress
    before_metrics: Callable[[], Awaitable[None]]
    journal: Journal | None = None
    schema_seen: bool = False
    """Whether the database was there once, with the right schema; see `SchemaWatch`."""

    async def look_at_schema(self) -> str | None:
        """The database's revision. Raises DatabaseAway, also when it does not answer in time."""
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                found = await revision_of(self.database)
        except TimeoutError:
            raise DatabaseAway from None
        if found == self.schema_revision:
            self.schema_seen = True
        return found


class SchemaWatch:
    """Looks from the start on, once a second, until the right schema was seen.

    Otherwise a process that nobody asked before the database went away would call itself unready
    while it keeps gifts.
    """

    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin; the start does not wait for it."""
        self._task = asyncio.create_task(self._run(), name="schema watch")

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._probes.schema_seen:
            try:
                await self._probes.look_at_schema()
            except Unavailable:
                log.debug("schema_not_seen")
            except Exception:
                log.exception("schema_look_failed")
            if not self._probes.schema_seen:
                await asyncio.sleep(LOOK_PAUSE_S)


class Alive(Struct, frozen=True):
    """The process answers."""

    status: str = "alive"


class Readiness(Struct, frozen=True):
    """The process can take gifts. A cache that is away makes it slower, not unready.

    With `database` "away" gifts are kept in the journal.
    """

    status: str
    database: str
    cache: str
    journal: str


class SchemaTooOld(Problem):
    """The database has another schema than this program needs."""

    def __init__(self, found: str | None, needed: str) -> None:
        super().__init__(
            503,
            "schema_too_old",
            "The database schema does not fit",
            f"It is at {found or 'nothing'}, this program needs {needed}: run `almoner migrate`.",
            headers={"Retry-After": "5"},
        )


class AwaitsRebuild(Problem):
    """The database was restored and has not asked the gateway what it has forgotten."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "awaits_rebuild",
            "The database was restored and not rebuilt",
            WHAT_TO_DO,
            headers={"Retry-After": "5"},
        )


def routes(probes: Probes) -> Router:
    """The routes that operators and load balancers ask."""

    @get("/healthz", summary="Alive", sync_to_thread=False)
    def healthz() -> Alive:
        """Whether the process answers at all."""
        return Alive()

    @get("/readyz", summary="Ready to take gifts")
    async def readyz() -> Readiness:
        """Whether gifts can be taken.

        The database answers, has this program's schema, and was not restored without a rebuild; or
        it did before, is away now, and the journal can be written.
        """
        journal = "none" if probes.journal is None else await probes.journal.state()
        try:
            found = await probes.look_at_schema()
        except DatabaseAway:
            if not probes.schema_seen or journal != "writable":
                raise DatabaseAway from None
            return Readiness("ready", "away", await _cache_state(probes.cache), journal)
        if found != probes.schema_revision:
            raise SchemaTooOld(found, probes.schema_revision)
        if await awaits_rebuild(probes.database):
            raise AwaitsRebuild
        return Readiness("ready", "ok", await _cache_state(probes.cache), journal)

    @get("/metrics", summary="Metrics", media_type="text/plain")
    async def metrics(request: AnyRequest) -> Response[bytes]:
        """Metrics for Prometheus. Not public: loopback, or whoever holds the metrics token."""
        if not _may_measure(probes, request):
            raise Problem(403, "metrics_not_public", "Metrics are not public", "")
        with suppress(TimeoutError):
            async with asyncio.timeout(METRICS_WAIT_S):
                await probes.before_metrics()
        body, content_type = exposition()
        return Response(body, media_type=content_type, headers={"Cache-Control": "no-store"})

    return Router(path="/", route_handlers=[healthz, readyz, metrics], tags=["operations"])


def _may_measure(probes: Probes, request: AnyRequest) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if probes.metrics_token:
        given = token.strip().encode(errors="replace")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given, probes.metrics_token.encode()
        )
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False  # a proxy on this machine speaks for somebody else
    try:
        return ip_address(probes.client_address(request.scope)).is_loopback
    except ValueError:
        return False


async def _cache_state(cache: Cache | None) -> str:
    if cache is None:
        return "none"
    try:
        await cache.ping()
    except CACHE_AWAY:
        return "away"
    return "ok"
