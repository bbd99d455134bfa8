"""The worker role: the loops that go on without a donor waiting."""

from __future__ import annotations

from almoner.bootstrap.base import Base
from almoner.bootstrap.gateways import make_gateway
from almoner.bootstrap.sandbox import SandboxWebhooks
from almoner.bootstrap.writers import make_settlements
from almoner.donations.settle import Settling
from almoner.payments.resolve import MissRules, Resolver
from almoner.platform.db import Writer
from almoner.platform.loops import Loop
from almoner.platform.metrics import RESOLVED
from almoner.platform.settings import Settings


class Work(Base):
    """The worker role: what goes on without a donor waiting."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._gateway = make_gateway(settings)
        self.sandbox_webhooks = SandboxWebhooks(settings, self._gateway)
        self._writer = Writer(settings.servers.database_url)
        self._settlements = make_settlements(self, self._writer)
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
        await self.start(self._gateway, self._writer, self._settlements, self.sandbox_webhooks)

    def loops(self) -> list[Loop]:
        """Everything the worker does, each at its own pace."""
        pause_s = self.settings.resolver.resolver_pause_ms / 1000
        return [
            Loop("resolver", self._resolve, pause_s),
            *self.sandbox_webhooks.loops(),
        ]

    async def _resolve(self) -> int:
        looked_up = await self.resolver.sweep()
        RESOLVED.inc(looked_up)
        return looked_up
