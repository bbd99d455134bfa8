"""Why a gift was not charged, in donor words. A closed table: no gateway text is passed on."""

from __future__ import annotations

from typing import Final

DONOR_WORDS: Final[dict[str, str]] = {
    "card_declined": "Your bank declined the card. You were not charged.",
    "insufficient_funds": "Insufficient funds. You were not charged.",
    "card_expired": "The card has expired. You were not charged.",
    "gateway_rejected": "The payment could not be accepted. You were not charged.",
    "processor_unavailable": "The bank could not be reached. You were not charged.",
    "gateway_unreachable": "The payment provider could not be reached. You were not charged.",
    "payment_details_used": "These payment details were used before. You were not charged; "
    "please enter the card again.",
    "payment_details_expired": "Your payment details had run out before the gift could be charged. "
    "You were not charged; please enter your card again.",
    "possible_duplicate": "It looks just like another gift of yours, so it was not charged. If you "
    "meant to give twice, please give once more.",
    "payment_misconfigured": "The payment could not be made because of a mistake on our side. "
    "You were not charged.",
    "not_charged": "The payment did not reach the bank. You were not charged.",
    "money_returned": "The payment was given back in full. Nothing of it was kept.",
    "settlement_failed": "The bank did not pay in the end. Nothing was kept of this payment.",
}

UNIFORM: Final = "card_declined"
"""The one reason that is told while somebody may be trying stolen cards."""

OF_THE_CARD: Final = frozenset(
    {
        "card_declined",
        "insufficient_funds",
        "card_expired",
        "gateway_rejected",
        "payment_details_used",
    }
)
"""Reasons that lie with the card or whoever holds it, and not with a line that is down."""

_PROCESSOR_CODES: Final[dict[str, str]] = {
    "2001": "insufficient_funds",
    "2004": "card_expired",
    "3000": "processor_unavailable",
}


def decline_code_of(processor_code: str) -> str:
    """Our code for a processor's (Braintree, "Authorization responses").

    Most of its hundred reasons say the same to a donor, and telling them apart would help only
    someone who tries stolen cards.
    """
    return _PROCESSOR_CODES.get(processor_code, "card_declined")
