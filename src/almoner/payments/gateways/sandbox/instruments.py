"""What the sandbox can charge."""

from __future__ import annotations

from almoner.payments.card import Card
from almoner.payments.gateway import Instrument
from almoner.payments.gateways.sandbox import rules
from almoner.platform.errors import FieldError


class SandboxInstruments:
    """Published test nonces and test numbers, and nothing that could be somebody's real card."""

    def of_nonce(self, nonce: str | None) -> Instrument | FieldError:
        """See `Instruments.of_nonce`."""
        if nonce is None or not rules.known_nonce(nonce):
            return FieldError(
                "payment_method_nonce",
                "unknown_nonce",
                "The sandbox takes its published test nonces only, such as fake-valid-nonce.",
            )
        return Instrument(nonce)

    def of_card(self, card: Card) -> Instrument | FieldError:
        """See `Instruments.of_card`."""
        nonce = rules.CARDS.get(card.number)
        if nonce is None:
            return FieldError(
                "payment_card.card_number",
                "not_a_test_card",
                "The sandbox takes published test cards only, such as 4111 1111 1111 1111.",
            )
        return Instrument(nonce)
