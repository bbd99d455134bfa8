"""Charge: one call to the gateway, inside a deadline of our own."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from almoner.payments.gateway import Charge, Gateway, Observation, Seen

log = structlog.get_logger(__name__)


class Charging(Protocol):
    """How the web process gets an attempt charged: in this process, or by the payments role."""

    async def charge(self, gateway_name: str, charge: Charge) -> Observation:
        """Send one stamped attempt and tell what was seen. Never raises for the outside world."""
        ...


class LocalCharging:
    """Charges in this process."""

    def __init__(self, gateways: dict[str, Gateway], *, deadline_ms: int) -> None:
        self._gateways = gateways
        self._deadline_s = deadline_ms / 1000

    async def charge(self, gateway_name: str, charge: Charge) -> Observation:
        """See `Charging.charge`.

        The deadline is ours because a vendor's time-out is for each read from the socket: an
        answer that drips can take ten times as long. What we do not understand is UNKNOWN, as the
        charge may have happened.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._gateways[gateway_name].charge(charge)
        except TimeoutError:
            return Observation(Seen.UNKNOWN, gateway_code="deadline")
        except Exception as error:
            log.exception("gateway_call_failed", gateway=gateway_name, error=type(error).__name__)
            return Observation(Seen.UNKNOWN, gateway_code=type(error).__name__)
