"""Compose: the only place that picks adapters and tells each feature about the others."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from decimal import Decimal
from ipaddress import ip_address
from typing import Protocol

from almoner.charities.answers import CatalogueReader
from almoner.charities.choose import CharityChooser
from almoner.charities.pictures import Pictures
from almoner.donations.answer import Answer
from almoner.donations.api import DonationsApi
from almoner.donations.config import public_config
from almoner.donations.form import AmountBounds
from almoner.donations.gift import Intent
from almoner.donations.give import Giving, GivingPolicy
from almoner.donations.intend import Intended, IntentWriter
from almoner.donations.keys import FormTokens
from almoner.donations.settle import Settlement, SettlementWriter, Settling
from almoner.payments.api import PaymentsApi
from almoner.payments.charge import LocalCharging
from almoner.payments.gateways.sandbox.gateway import SandboxGateway
from almoner.payments.gateways.sandbox.instruments import SandboxInstruments
from almoner.payments.remote import RemoteCharging
from almoner.payments.resolve import MissRules, Resolver
from almoner.platform.batch import Batcher
from almoner.platform.cache import Cache, open_cache
from almoner.platform.credentials import ServiceCredential
from almoner.platform.db import Database, Writer
from almoner.platform.http import ClientAddress, client_address_reader
from almoner.platform.ids import IdDeriver, Tokens
from almoner.platform.limits import SANDBOX, STANDARD, Limiter
from almoner.platform.probes import Probes
from almoner.platform.schema import REVISION
from almoner.platform.settings import Settings, SettingsError

_RESOLVER_GRACE_MS = 5_000


class Base:
    """What every role needs: database, cache, ids. Made outside the loop, opened inside it."""

    def __init__(self, settings: Settings) -> None:
        require(settings)
        self.settings = settings
        secret_key = settings.secrets.secret_key
        self.ids = IdDeriver(secret_key)
        self.read_tokens = Tokens(secret_key, "read")
        self.database = Database(settings.servers.database_url)
        self.cache: Cache | None = (
            open_cache(settings.servers.redis_url) if settings.servers.redis_url else None
        )
        self.client_address: ClientAddress = client_address_reader(settings.web.trusted_proxies)
        self.service = ServiceCredential(settings.secrets.service_token)
        self.probes = Probes(
            self.database, self.cache, REVISION, settings.web.metrics_token, self.client_address
        )
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Connect and start. A server that is away now may come later."""
        await self.database.open()
        self._stack.push_async_callback(self.database.close)
        if self.cache is not None:
            self._stack.push_async_callback(self.cache.aclose)

    async def close(self) -> None:
        """Finish what is under way and give everything back, the last thing opened first."""
        await self._stack.aclose()

    async def _start(self, *parts: Opens) -> None:
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


class Web(Base):
    """The web role: the public API, and the payments in process unless they run elsewhere."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.chooser = CharityChooser(self.database)
        self.catalogue = CatalogueReader(
            self.database,
            self.cache,
            secret_key=settings.secrets.secret_key,
            currencies=settings.currencies,
        )
        self.pictures = Pictures(self.database)
        self.limiter = Limiter(self.cache, SANDBOX if _wide_limits(settings) else STANDARD)
        self._writers = [Writer(settings.servers.database_url) for _ in range(2)]
        self._settlements = _settlements(self, self._writers[0])
        self._intents = _intents(self, self._writers[1])
        self._charger, charging = _charger(settings)
        self.payments = (
            PaymentsApi(self.database, charging, self.service)
            if isinstance(charging, LocalCharging)
            else None
        )
        self.giving = Giving(
            self.database,
            self.ids,
            self.read_tokens,
            self._intents,
            self._settlements,
            charging,
            GivingPolicy(settings.gateway.gateway, settings.giving.donor_wait_ms),
        )
        self.donations = self._donations_api()

    async def open(self) -> None:
        """See `Base.open`."""
        await super().open()
        self._stack.push_async_callback(self.catalogue.close)
        self._stack.push_async_callback(self.chooser.close)
        self._stack.push_async_callback(self.pictures.close)
        await self._start(
            self.limiter,
            self._charger,
            *self._writers,
            self._settlements,
            self._intents,
            self.giving,
        )

    def _donations_api(self) -> DonationsApi:
        settings, bounds = self.settings, bounds_of(self.settings)
        return DonationsApi(
            giving=self.giving,
            chooser=self.chooser,
            instruments=SandboxInstruments(),
            bounds=bounds,
            form_tokens=FormTokens(Tokens(settings.secrets.secret_key, "form")),
            read_tokens=self.read_tokens,
            limiter=self.limiter,
            client_address=self.client_address,
            database=self.database,
            settling=Settling(self.database, self._settlements),
            service=self.service,
            config=public_config(settings.gateway.gateway, bounds, settings.giving.donor_wait_ms),
        )


class Payments(Base):
    """The payments role alone: the only process that holds gateway credentials."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._gateway = make_gateway(settings)
        charging = LocalCharging(
            {self._gateway.name: self._gateway}, deadline_ms=settings.gateway.gateway_deadline_ms
        )
        self.payments = PaymentsApi(self.database, charging, self.service)

    async def open(self) -> None:
        """See `Base.open`."""
        await super().open()
        await self._start(self._gateway)


class Work(Base):
    """The worker role: what goes on without a donor waiting."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._gateway = make_gateway(settings)
        self._writer = Writer(settings.servers.database_url)
        self._settlements = _settlements(self, self._writer)
        rules = settings.resolver
        self.resolver = Resolver(
            self.database,
            {self._gateway.name: self._gateway},
            Settling(self.database, self._settlements).settle,
            misses=MissRules(
                rules.resolver_first_miss_s * 1000, rules.resolver_second_miss_s * 1000
            ),
            deadline_ms=settings.gateway.gateway_deadline_ms,
        )

    async def open(self) -> None:
        """See `Base.open`."""
        await super().open()
        await self._start(self._gateway, self._writer, self._settlements)


def make_gateway(settings: Settings) -> SandboxGateway:
    """The gateway that the settings name."""
    return SandboxGateway(
        settings.sandbox_url,
        made_from="" if settings.servers.sandbox_database_url else settings.servers.database_url,
        latency_ms=settings.gateway.sandbox_latency_ms,
    )


def _charger(settings: Settings) -> tuple[Opens, LocalCharging | RemoteCharging]:
    """What has to be opened for charging, and how to charge."""
    deadline_ms = settings.gateway.gateway_deadline_ms
    if url := settings.gateway.payments_url:
        remote = RemoteCharging(url, settings.secrets.service_token, deadline_ms=deadline_ms)
        return remote, remote
    gateway = make_gateway(settings)
    return gateway, LocalCharging({gateway.name: gateway}, deadline_ms=deadline_ms)


def _settlements(base: Base, writer: Writer) -> Batcher[Settlement, Answer]:
    """The writer of outcomes.

    What a gateway did is true whatever the database says, so it is written again for as long as
    it takes.
    """
    settlements = SettlementWriter(writer, base.ids, base.read_tokens)
    return Batcher("settlements", settlements.write, retry_for_ms=None)


def _intents(base: Base, writer: Writer) -> Batcher[Intent, Intended]:
    """The writer of intents. A donor waits for it, so it gives up after a while."""
    intents = IntentWriter(
        writer,
        base.ids,
        check_after_ms=base.settings.gateway.gateway_deadline_ms + _RESOLVER_GRACE_MS,
    )
    return Batcher("intents", intents.write, retry_for_ms=base.settings.giving.database_wait_ms)


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
    bounds_of(settings)


def _wide_limits(settings: Settings) -> bool:
    if settings.web.limits != "auto":
        return settings.web.limits == "sandbox"
    try:
        loopback = ip_address(settings.web.host).is_loopback
    except ValueError:
        loopback = settings.web.host == "localhost"
    return loopback and settings.gateway.gateway == "sandbox"
