"""Charge: how an attempt that was stamped gets charged by a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from almoner.payments.gateway import Charge, Gateway, Observation, Seen
from almoner.payments.look_up import LookingUp
from almoner.payments.send import Ask, LookUp, Sender, SendRules


class Charging(Protocol):
    """How the web process gets an attempt charged: in this process, or by the payments role."""

    async def charge(self, gateway_name: str, charge: Charge) -> Observation:
        """Send one stamped attempt and tell what was seen. Never raises for the outside world.

        SUBMITTED, DECLINED, NOT_SENT or UNKNOWN.
        """
        ...


class LocalCharging:
    """Charges in this process."""

    def __init__(
        self, gateways: Mapping[str, Gateway], rules: SendRules, looking_up: LookingUp
    ) -> None:
        self._senders = {
            name: Sender(name, _asks(gateway), rules, look_up=_looks_up(looking_up, name))
            for name, gateway in gateways.items()
        }

    async def charge(self, gateway_name: str, charge: Charge) -> Observation:
        """See `Charging.charge`."""
        sender = self._senders.get(gateway_name)
        if sender is None:
            return Observation(Seen.NOT_SENT, gateway_code="gateway_not_configured")
        return await sender.send(charge)


def _asks(gateway: Gateway) -> Ask:
    async def ask(charge: Charge) -> Observation:
        return await gateway.charge(charge)

    return ask


def _looks_up(looking_up: LookingUp, gateway_name: str) -> LookUp:
    async def look_up(order_id: str) -> Observation | None:
        return await looking_up.look_up(gateway_name, order_id)

    return look_up
