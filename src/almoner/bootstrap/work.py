"""The worker role: the loops that go on without a donor waiting."""

from __future__ import annotations

from almoner.bootstrap.base import Base
from almoner.bootstrap.books import Books
from almoner.bootstrap.gateways import make_gateway, make_looking_up, make_reversing
from almoner.bootstrap.sandbox import SandboxWebhooks
from almoner.bootstrap.telling import Telling
from almoner.bootstrap.watching import Monitoring
from almoner.bootstrap.writers import make_settlements
from almoner.donations.expire import Expiry
from almoner.donations.late_money import LateMoney
from almoner.donations.settle import Settling
from almoner.operations.recovery.rebuild import Rebuilding
from almoner.payments.judge import MissRules
from almoner.payments.resolve import Resolver
from almoner.payments.returns.give_back import GivingBack
from almoner.payments.sweep_prepared import Abandoning
from almoner.payments.webhooks.work_off import WebhookWork
from almoner.platform.db import Writer
from almoner.platform.loops import Loop
from almoner.platform.metrics import RESOLVED
from almoner.platform.settings import Settings

_PAUSE_S = 5.0
_HOUR_S = 3_600.0
_EXPIRY_PAUSE_S = 6 * 3600


class Work(Base):
    """The worker role: what goes on without a donor waiting."""

    shows_metrics = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.gateway = make_gateway(settings)
        self.sandbox_webhooks = SandboxWebhooks(settings, self.gateway)
        self._writer = Writer(settings.servers.database_url)
        self._settlements = make_settlements(self, self._writer)
        self.settling = Settling(self.database, self._settlements)
        follow = self.settling.follow
        looking = self.looking = make_looking_up(settings, self.gateway)
        rules = settings.resolver
        self.resolver = Resolver(
            self.database,
            looking,
            follow,
            misses=MissRules(
                rules.resolver_first_miss_s * 1000, rules.resolver_second_miss_s * 1000
            ),
        )
        self.telling = Telling(self.database, settings)
        self.books = Books(self, self.gateway, self.settling)
        self.monitoring = Monitoring(settings, self.gateway)
        self.late_money = LateMoney(self.database, follow)
        self.giving_back = GivingBack(
            self.database, make_reversing(settings, self.gateway), looking, follow
        )
        self.abandoning = Abandoning(self.database, follow)
        self.webhooks = WebhookWork(self.database)
        self.expiry = Expiry(self.database)

    async def open(self) -> None:
        """See `Base.open`."""
        await super().open()
        await self.start(
            self.gateway,
            self._writer,
            self.changes,
            self._settlements,
            self.sandbox_webhooks,
            self.books,
            self.monitoring,
        )

    def loops(self) -> list[Loop]:
        """Everything the worker does, each at its own pace."""
        pause_s = self.settings.resolver.resolver_pause_ms / 1000
        return [
            Loop("resolver", self._resolve, pause_s),
            *self.telling.loops(),
            *self.books.loops(),
            Loop("late money", self.late_money.sweep, _PAUSE_S),
            Loop("giving back", self.giving_back.sweep, _PAUSE_S),
            Loop("abandoning", self.abandoning.sweep, _PAUSE_S),
            Loop("webhooks", self.webhooks.sweep, pause_s),
            Loop("webhooks forgotten", self.webhooks.forget_old, _HOUR_S),
            Loop("recovered", self.rebuilding().release, 60),
            Loop("expiry", self.expiry.step, _EXPIRY_PAUSE_S),
            *self.sandbox_webhooks.loops(),
            *self.monitoring.loops(),
        ]

    def rebuilding(self, assigned: dict[str, int] | None = None) -> Rebuilding:
        """What brings lost charges back; `assigned` names charities of charges by order id."""
        return Rebuilding(self.database, self.gateway, self.ids, self.read_tokens, assigned)

    async def _resolve(self) -> int:
        looked_up = await self.resolver.sweep()
        RESOLVED.inc(looked_up)
        return looked_up
