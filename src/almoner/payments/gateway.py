"""The port to whoever moves the money. Adapters live in `gateways/`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from almoner.money import Money


class Instrument(Struct, frozen=True):
    """What is charged: a one-time nonce. Its text never reaches a log or a table."""

    nonce: str

    def __repr__(self) -> str:
        return "Instrument(...)"


class Charge(Struct, frozen=True):
    """One sale to ask of a gateway. `order_id` and `request_key` follow from the attempt's id."""

    attempt_id: UUID
    money: Money
    instrument: Instrument
    merchant_account: str | None = None

    @property
    def order_id(self) -> str:
        """What the gateway files the charge under, and what it is looked up by."""
        return order_id_of(self.attempt_id)

    @property
    def request_key(self) -> str:
        """The gateway's own idempotency key for this sale."""
        return request_key_of(self.attempt_id, "sale")


class Seen(StrEnum):
    """What a gateway was seen to have done with a charge."""

    SUBMITTED = "SUBMITTED"
    """Taken, awaiting settlement."""
    DECLINED = "DECLINED"
    """Refused for good."""
    NOT_SENT = "NOT_SENT"
    """Proved never to have left us."""
    UNKNOWN = "UNKNOWN"
    """Sent, and no answer that can be believed."""


class Observation(Struct, frozen=True):
    """What is known of a charge after a call. `gateway_code` is the gateway's own word for it."""

    seen: Seen
    gateway_transaction_id: str | None = None
    decline_code: str | None = None
    gateway_code: str | None = None


class RecordedCharge(Struct, frozen=True):
    """A charge in a gateway's own books."""

    order_id: str
    gateway_transaction_id: str
    money: Money
    captured: bool


class Gateway(Protocol):
    """Charge, and look up what became of it."""

    name: str

    async def charge(self, charge: Charge) -> Observation:
        """Ask for a sale that is captured at once. The same request key charges once.

        Does not raise for anything the outside world does: that is an observation.
        """
        ...

    async def look_up(self, order_id: str) -> Observation | None:
        """What the gateway knows of an order id; None is a miss, which alone proves nothing.

        An observation of UNKNOWN means that the gateway could not be asked.
        """
        ...


class ListsCharges(Protocol):
    """A gateway that can show all of its charges, for the daily match."""

    def charges(self) -> AsyncIterator[RecordedCharge]:
        """All charges by ascending order id."""
        ...


def order_id_of(attempt_id: UUID) -> str:
    """The order id of an attempt."""
    return attempt_id.hex


def request_key_of(attempt_id: UUID, kind: str) -> str:
    """The request key of an attempt's operation of that kind."""
    return f"{attempt_id.hex}:{kind}"
