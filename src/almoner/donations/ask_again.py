"""What is told of kept gifts that were not charged: enough for a mail, and nothing of a person."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from almoner.donations.facts import DonationFacts
from almoner.donations.finish import FinishLinks
from almoner.events.event import Event
from almoner.platform.clock import now_ms
from almoner.platform.ids import new_id

PAYMENT_NEEDED: Final = "donation.payment_needed"
"""The one-time payment details ran out, or were used, before the gift could be charged."""
DUPLICATE_QUESTION: Final = "donation.duplicate_question"
"""It looks just like another gift, and nobody was there to be asked."""
KEY_CONFLICT: Final = "donation.key_conflict"
"""Two gifts came under one key; this is the one that was not taken."""

DETAILS_EXPIRED: Final = "payment_details_expired"
POSSIBLE_DUPLICATE: Final = "possible_duplicate"
DETAILS_GONE: Final = frozenset({DETAILS_EXPIRED, "payment_details_used"})
"""Decline codes after which a donor needs nothing but to enter the card again."""

ASKED_AGAIN: Final = DETAILS_GONE | {POSSIBLE_DUPLICATE}
"""Decline codes whose gift can be finished by a link."""


def payment_needed(facts: DonationFacts, code: str, locale: str, links: FinishLinks) -> Event:
    """Ask for the card again, with a link that opens the form as it was."""
    payload = _payload(facts, locale) | {"code": code, "finish_path": links.path_of(facts)}
    return _event(PAYMENT_NEEDED, facts, payload)


def duplicate_question(
    facts: DonationFacts, first_donation_id: UUID, locale: str, links: FinishLinks
) -> Event:
    """Ask whether two gifts were meant; the link gives once more."""
    payload = _payload(facts, locale) | {
        "first_donation_id": str(first_donation_id),
        "finish_path": links.path_of(facts),
    }
    return _event(DUPLICATE_QUESTION, facts, payload)


def key_conflict(facts: DonationFacts, locale: str, links: FinishLinks) -> Event:
    """Tell that another gift with the same key was taken, and this one was not charged."""
    payload = _payload(facts, locale) | {"finish_path": links.path_of(facts)}
    return _event(KEY_CONFLICT, facts, payload)


def _payload(facts: DonationFacts, locale: str) -> dict[str, Any]:
    return {
        "charity_id": facts.charity_id,
        "amount_minor": facts.money.amount_minor,
        "currency": facts.money.currency,
        "locale": locale,
    }


def _event(kind: str, facts: DonationFacts, payload: dict[str, Any]) -> Event:
    return Event(new_id(), facts.donor_id, facts.donation_id, kind, payload, now_ms())
