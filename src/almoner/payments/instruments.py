"""What a gateway can charge: its nonces, and cards only where that is allowed."""

from __future__ import annotations

from typing import Protocol

from almoner.payments.card import Card
from almoner.payments.gateway import Instrument
from almoner.platform.errors import FieldError


class Instruments(Protocol):
    """Turns what a caller sent into something the gateway can charge, or says why not."""

    def of_nonce(self, nonce: str | None) -> Instrument | FieldError:
        """The instrument of a nonce."""
        ...

    def of_card(self, card: Card) -> Instrument | FieldError:
        """The instrument of a card."""
        ...
