"""What every role needs, and what no role can start without."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Final, Protocol

import structlog

from almoner.bootstrap.watching import make_watch
from almoner.donations.changes import Changes
from almoner.donations.form import AmountBounds
from almoner.platform.addresses import Proxies
from almoner.platform.cache import Cache, open_cache
from almoner.platform.credentials import ServiceCredential
from almoner.platform.db import Database
from almoner.platform.http import ClientAddress, client_address_reader
from almoner.platform.ids import IdDeriver, Tokens
from almoner.platform.probes import Probes
from almoner.platform.schema import REVISION
from almoner.platform.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

BUSY_MS: Final = 60_000
"""How long one statement of a loop may take, so that a server that hangs does not stop it."""

METRICS_FRESH_S: Final = 10
_RESOLVER_GRACE_MS = 5_000


class Base:
    """What every role needs: database, cache, ids. Made outside the loop, opened inside it."""

    shows_metrics = True
    """Whether this role answers `/metrics` itself."""

    def __init__(self, settings: Settings, *, connections: int = 8, busy_ms: int = BUSY_MS) -> None:
        require(settings)
        self.settings = settings
        secret_key = settings.secrets.secret_key
        self.ids = IdDeriver(secret_key)
        self.read_tokens = Tokens(secret_key, "read")
        self.database = Database(settings.servers.database_url, size=connections, busy_ms=busy_ms)
        self.cache: Cache | None = (
            open_cache(settings.servers.redis_url) if settings.servers.redis_url else None
        )
        self.changes = Changes(self.cache, f"almoner:changes:{self.ids.derive('changes').hex}")
        self.client_address: ClientAddress = client_address_reader(
            Proxies(settings.web.trusted_proxies, settings.web.proxy_header)
        )
        self.check_after_ms = settings.gateway.gateway_deadline_ms + _RESOLVER_GRACE_MS
        self.service = ServiceCredential(settings.secrets.service_token)
        self._watch_database, self.watch = make_watch(settings, loud=False)
        self.probes = Probes(
            self.database,
            self.cache,
            REVISION,
            settings.web.metrics_token,
            self.client_address,
            self._look_for_metrics,
        )
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Connect and start. A server that is away now may come later."""
        await self.database.open()
        self._stack.push_async_callback(self.database.close)
        if self.cache is not None:
            self._stack.push_async_callback(self.cache.aclose)
        if self.shows_metrics:
            await self.start(self._watch_database)

    async def _look_for_metrics(self) -> None:
        """Have the gauges of the monitor fresh, also while no worker lives that would do it."""
        try:
            await self.watch.look_unless_fresh(seconds=METRICS_FRESH_S)
        except Exception:
            log.exception("watch_failed")

    async def close(self) -> None:
        """Finish what is under way and give everything back, the last thing opened first."""
        await self._stack.aclose()

    async def start(self, *parts: Opens) -> None:
        """Open parts one after the other; they are closed in the opposite order."""
        for part in parts:
            await part.open()
            self._stack.push_async_callback(part.close)


class Opens(Protocol):
    """Something that is opened in the loop and closed before it ends."""

    async def open(self) -> None:
        """Start."""
        ...

    async def close(self) -> None:
        """End."""
        ...


def bounds_of(settings: Settings) -> AmountBounds:
    """What a gift may be. Raises SettingsError when a bound is no amount."""
    try:
        least, most = Decimal(settings.giving.amount_min), Decimal(settings.giving.amount_max)
    except ArithmeticError:
        raise SettingsError("ALMONER_AMOUNT_MIN, ALMONER_AMOUNT_MAX: write numbers.") from None
    if not 0 < least <= most < Decimal(10**12):
        raise SettingsError("ALMONER_AMOUNT_MIN must be above 0 and not above ALMONER_AMOUNT_MAX.")
    return AmountBounds(least, most, tuple(settings.currencies))


def require(settings: Settings) -> None:
    """Raise SettingsError for what a role cannot start without."""
    if not settings.servers.database_url:
        raise SettingsError(
            "ALMONER_DATABASE_URL is not set. `almoner serve` brings its own database."
        )
    if not settings.secrets.secret_key:
        example = secrets.token_urlsafe(32)
        raise SettingsError(
            f"ALMONER_SECRET_KEY is not set. Use a random text on every node, such as {example}"
        )
    if settings.gateway.payments_url and not settings.secrets.service_token:
        raise SettingsError("ALMONER_PAYMENTS_URL needs ALMONER_SERVICE_TOKEN.")
    if settings.journal.journal_copies > 1 and not settings.servers.redis_url:
        raise SettingsError("ALMONER_JOURNAL_COPIES=2 needs ALMONER_REDIS_URL.")
    bounds_of(settings)
