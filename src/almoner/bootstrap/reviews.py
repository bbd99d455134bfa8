"""What the commands of the review need: the database, the writer of outcomes, the gateway."""

from __future__ import annotations

from almoner.bootstrap.base import Base
from almoner.bootstrap.gateways import make_gateway, make_looking_up
from almoner.bootstrap.writers import make_settlements
from almoner.donations.settle import Settling
from almoner.platform.db import Writer
from almoner.platform.settings import Settings


class Reviews(Base):
    """Enough to look at attempts and to release them, with ledger, event and answer."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._writer = Writer(settings.servers.database_url)
        self._settlements = make_settlements(self, self._writer)
        self._gateway = make_gateway(settings)
        self.looking = make_looking_up(settings, self._gateway)
        self.follow = Settling(self.database, self._settlements).follow

    async def open(self) -> None:
        """See `Base.open`."""
        await super().open()
        await self.start(self._gateway, self._writer, self._settlements)
