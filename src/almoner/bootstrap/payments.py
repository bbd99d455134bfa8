"""The payments role, which is the only one with gateway credentials when it runs alone."""

from __future__ import annotations

from almoner.bootstrap.base import Base
from almoner.bootstrap.gateways import make_gateway, make_local_charging, make_webhooks
from almoner.payments.api import PaymentsApi
from almoner.platform.settings import Settings


class Payments(Base):
    """The payments role alone: the only process that holds gateway credentials."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, busy_ms=settings.capacity.statement_ms)
        self._gateway = make_gateway(settings)
        charging = make_local_charging(settings, self._gateway)
        self._webhooks = make_webhooks(self.database, self._gateway)
        self.payments = PaymentsApi(self.database, charging, self.service, self._webhooks)

    async def open(self) -> None:
        """See `Base.open`."""
        await super().open()
        await self.start(self._gateway, self._webhooks)
