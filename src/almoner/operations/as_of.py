"""A gateway as it was at a time, for books that stop then."""

from __future__ import annotations

from collections.abc import AsyncIterator

from almoner.operations.match_gateway import MatchedGateway
from almoner.payments.gateway import Observation, RecordedCharge


class GatewayAsOf:
    """Leaves out what was charged later: its stamp cannot be in the books."""

    def __init__(self, gateway: MatchedGateway, until_ms: int) -> None:
        self.name = gateway.name
        self._gateway = gateway
        self._until_ms = until_ms

    async def charges(self) -> AsyncIterator[RecordedCharge]:
        """All charges until then by ascending order id."""
        async for charge in self._gateway.charges():
            if charge.charged_ms <= self._until_ms:
                yield charge

    async def look_up(self, order_id: str) -> Observation | None:
        """What is known of one, whenever it was charged."""
        return await self._gateway.look_up(order_id)
