"""The web role: the public API, and the payments in process unless they run elsewhere."""

from __future__ import annotations

from ipaddress import ip_address

from almoner.bootstrap.base import Base, bounds_of
from almoner.bootstrap.gateways import make_charging, make_webhooks
from almoner.bootstrap.journal import Draining, Kept, make_links
from almoner.bootstrap.writers import make_intents, make_settlements
from almoner.charities.answers import CatalogueReader
from almoner.charities.choose import CharityChooser
from almoner.charities.pictures import Pictures
from almoner.donations.api import DonationsApi
from almoner.donations.config import public_config
from almoner.donations.give import Giving, GivingPolicy
from almoner.donations.keys import FormTokens
from almoner.donations.settle import Settling
from almoner.payments.api import PaymentsApi
from almoner.payments.charge import LocalCharging
from almoner.payments.due.nudge import Nudges
from almoner.payments.gateways.sandbox.instruments import SandboxInstruments
from almoner.platform.db import Writer
from almoner.platform.ids import Tokens
from almoner.platform.limits import SANDBOX, STANDARD, Limiter
from almoner.platform.settings import Settings


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
        self._settlements = make_settlements(self, self._writers[0])
        self._intents = make_intents(self, self._writers[1])
        self.kept = Kept(self, self._intents)
        self._charger, charging = make_charging(settings)
        self._webhooks = make_webhooks(self.database, self._charger)
        self.payments = (
            PaymentsApi(self.database, charging, self.service, self._webhooks)
            if isinstance(charging, LocalCharging)
            else None
        )
        self.giving = Giving(
            self.database,
            self.ids,
            self.read_tokens,
            self.kept.keeping,
            self._settlements,
            charging,
            GivingPolicy(settings.gateway.gateway, settings.giving.donor_wait_ms),
        )
        self._nudges = Nudges(self.database)
        self.draining = (
            Draining(self, self.kept.segments, self.kept, self.giving.carry_on)
            if self.kept.segments
            else None
        )
        self.probes.journal = self.kept.journal
        self.donations = self._donations_api()

    async def open(self) -> None:
        """See `Base.open`."""
        await super().open()
        self._stack.push_async_callback(self.catalogue.close)
        self._stack.push_async_callback(self.chooser.close)
        self._stack.push_async_callback(self.pictures.close)
        await self.start(
            self.limiter,
            self._charger,
            *self._writers,
            self._settlements,
            self._intents,
            self.kept,
            self.giving,
            self._nudges,
            self._webhooks,
        )
        if self.draining is not None:
            await self.start(self.draining)

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
            keeping=self.kept.keeping,
            links=make_links(self),
            settling=Settling(self.database, self._settlements),
            service=self.service,
            config=public_config(settings.gateway.gateway, bounds, settings.giving.donor_wait_ms),
            nudges=self._nudges,
        )


def _wide_limits(settings: Settings) -> bool:
    if settings.web.limits != "auto":
        return settings.web.limits == "sandbox"
    try:
        loopback = ip_address(settings.web.host).is_loopback
    except ValueError:
        loopback = settings.web.host == "localhost"
    return loopback and settings.gateway.gateway == "sandbox"
