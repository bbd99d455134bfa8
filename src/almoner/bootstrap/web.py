"""The web role: the public API, and the payments in process unless they run elsewhere."""

from __future__ import annotations

from functools import partial

from almoner.bootstrap.base import Base, bounds_of
from almoner.bootstrap.gateways import make_charging, make_webhooks
from almoner.bootstrap.journal import Draining, Kept, make_links
from almoner.bootstrap.limits import limits_of
from almoner.bootstrap.pools import Pools
from almoner.bootstrap.writers import intents_patience_ms, make_intents, make_settlements
from almoner.charities.answers import CatalogueReader
from almoner.charities.choose import CharityChooser
from almoner.charities.pictures import Pictures
from almoner.donations.api import DonationsApi
from almoner.donations.breaker import Breaker
from almoner.donations.challenge import Challenges
from almoner.donations.config import public_config
from almoner.donations.follow import Follow
from almoner.donations.give import Giving, GivingPolicy
from almoner.donations.guard import Guard
from almoner.donations.keys import FormTokens
from almoner.donations.settle import Settling
from almoner.donations.show import show_many
from almoner.donations.watch import Watching
from almoner.payments.api import PaymentsApi
from almoner.payments.charge import LocalCharging
from almoner.payments.due.nudge import Nudges
from almoner.payments.gateways.sandbox.instruments import SandboxInstruments
from almoner.platform.admission import Lane
from almoner.platform.db import Writer
from almoner.platform.ids import Tokens
from almoner.platform.limits import Limiter
from almoner.platform.reporting import Reporting
from almoner.platform.settings import Settings


class Web(Base):
    """The web role: the public API, and the payments in process unless they run elsewhere."""

    def __init__(self, settings: Settings) -> None:
        capacity = settings.capacity
        super().__init__(
            settings, connections=capacity.staff_connections, busy_ms=capacity.statement_ms
        )
        self.pools = Pools(settings)
        self.chooser = CharityChooser(self.pools.giving)
        self.catalogue = CatalogueReader(
            self.pools.reads,
            self.cache,
            secret_key=settings.secrets.secret_key,
            currencies=settings.currencies,
        )
        self.pictures = Pictures(self.pools.reads)
        self.limits = limits_of(settings)
        self.limiter = Limiter(self.cache, self.limits.again, self.limits.failures)
        self.breaker = Breaker(self.cache, self.limits.levels)
        url = settings.servers.database_url
        self._writers = [Writer(url), Writer(url, patience_ms=intents_patience_ms(settings))]
        self._settlements = make_settlements(self, self._writers[0])
        self._intents = make_intents(self, self._writers[1])
        self.kept = Kept(self, self._intents)
        self._charger, charging = make_charging(settings)
        self._webhooks = make_webhooks(self.pools.webhooks, self._charger)
        self.payments = (
            PaymentsApi(self.pools.giving, charging, self.service, self._webhooks)
            if isinstance(charging, LocalCharging)
            else None
        )
        self.giving = Giving(
            self.pools.recall,
            self.ids,
            self.read_tokens,
            self.kept.keeping,
            self._settlements,
            charging,
            giving_policy(settings),
        )
        self._nudges = Nudges(self.pools.status)
        self.streams = Lane("streams", at_work_max=capacity.streams_max)
        self._links = make_links(self)
        self.watching = Watching(partial(show_many, self.pools.status, self._links, self._nudges))
        self.changes.listen(self.watching.changed, self.watching.changed_perhaps)
        self.draining = (
            Draining(self, self.kept.segments, self.kept, self.giving.carry_on)
            if self.kept.segments
            else None
        )
        self.probes.journal = self.kept.journal
        self.donations = self._donations_api()
        self.requests = Lane("requests", at_work_max=capacity.requests_max)
        self.webhook_requests = Lane("webhook requests", at_work_max=capacity.webhooks_max)
        self.gift_requests = Lane(
            "gift requests",
            at_work_max=capacity.gifts_max + capacity.gifts_waiting_max + capacity.requests_max,
        )

    async def open(self) -> None:
        """See `Base.open`."""
        await super().open()
        await self.start(self.pools)
        self._stack.push_async_callback(self.catalogue.close)
        self._stack.push_async_callback(self.chooser.close)
        self._stack.push_async_callback(self.pictures.close)
        await self.start(
            self.limiter,
            self.breaker,
            self._charger,
            *self._writers,
            self._settlements,
            self._intents,
            self.kept,
            self.giving,
            self._nudges,
            self._webhooks,
            self.watching,
            self.changes,
            Reporting(self.report),
        )
        if self.draining is not None:
            await self.start(self.draining)

    def release_donors(self) -> None:
        """Tell every donor who waits what is known: the process is about to stop."""
        self.giving.release_donors()

    def end_streams(self) -> None:
        """Send open pages to another process: this one has been asked to stop."""
        self.watching.end()

    def report(self) -> None:
        """Write down how full everything is, for the metrics."""
        self.pools.report()
        self.giving.report()
        for part in (
            self.requests,
            self.gift_requests,
            self.webhook_requests,
            self.streams,
        ):
            part.report()
        for batcher in (self._intents, self._settlements):
            batcher.report()

    def _donations_api(self) -> DonationsApi:
        settings, bounds = self.settings, bounds_of(self.settings)
        return DonationsApi(
            giving=self.giving,
            chooser=self.chooser,
            instruments=SandboxInstruments(),
            bounds=bounds,
            form_tokens=FormTokens(Tokens(settings.secrets.secret_key, "form")),
            read_tokens=self.read_tokens,
            guard=self._guard(),
            ids=self.ids,
            client_address=self.client_address,
            database=self.pools.status,
            keeping=self.kept.keeping,
            links=self._links,
            settling=Settling(self.pools.status, self._settlements),
            service=self.service,
            follow=Follow(self.read_tokens, self.watching, self.streams),
            config=public_config(
                settings.gateway.gateway, bounds, settings.giving.donor_wait_ms, self.limits.name
            ),
            nudges=self._nudges,
            form_age_min_s=self.limits.form_age_min_ms / 1000,
        )

    def _guard(self) -> Guard:
        secret_key = self.settings.secrets.secret_key
        work = self.settings.abuse.challenge_work
        return Guard(
            self.limiter,
            self.limits,
            self.breaker,
            Challenges(secret_key, self.cache, work=work),
            Tokens(secret_key, "limits"),
        )


def giving_policy(settings: Settings) -> GivingPolicy:
    """How long donors wait, and how many gifts are carried out at once."""
    capacity = settings.capacity
    return GivingPolicy(
        settings.gateway.gateway,
        settings.giving.donor_wait_ms,
        at_work_max=capacity.gifts_max,
        waiting_max=capacity.gifts_waiting_max,
        turn_wait_ms=capacity.gifts_wait_ms,
    )
