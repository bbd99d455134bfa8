"""A gift that passed every check, and what is written down of it before any money moves."""

from __future__ import annotations

import hashlib
from uuid import UUID

import msgspec
from msgspec import Struct

from almoner.charities.choose import ChosenCharity
from almoner.donations.facts import DonationFacts
from almoner.donors.donor import Donor
from almoner.money import Money
from almoner.payments.attempt import Attempt
from almoner.payments.gateway import Instrument


def fingerprint_of(
    charity_id: int, money: Money, email_normalised: str, first_name: str, last_name: str
) -> bytes:
    """SHA-256 of the fields that carry meaning."""
    meaning = (
        charity_id,
        money.amount_minor,
        money.currency,
        email_normalised,
        first_name,
        last_name,
    )
    return hashlib.sha256(msgspec.json.encode(meaning)).digest()


class Gift(Struct, frozen=True):
    """What a donor asked for. Text is trimmed, the address also normalised."""

    first_name: str
    last_name: str
    email: str
    email_normalised: str
    locale: str
    charity: ChosenCharity
    money: Money
    instrument: Instrument
    confirm_duplicate: bool = False

    def fingerprint(self) -> bytes:
        """SHA-256 of the fields that carry meaning: the same key must come with the same ones.

        The one-time nonce is left out, because a reloaded page makes a new one.
        """
        return fingerprint_of(
            self.charity.charity_id,
            self.money,
            self.email_normalised,
            self.first_name,
            self.last_name,
        )


class Intent(Struct, frozen=True):
    """A gift about to be written down. `request_id` tells apart two requests with one key."""

    donation_id: UUID
    request_id: UUID
    fingerprint: bytes
    donor: Donor
    attempt: Attempt
    gift: Gift
    created_ms: int

    def facts(self) -> DonationFacts:
        """What can be told of it, whatever becomes of its charge."""
        charity = self.gift.charity
        return DonationFacts(
            self.donation_id,
            self.donor.donor_id,
            charity.charity_id,
            charity.slug,
            charity.name,
            self.gift.money,
            self.created_ms,
        )

    def look(self) -> int:
        """A number of 64 bits that is equal for gifts of the same donor, charity and amount."""
        gift = self.gift
        text = f"{self.donor.donor_id}:{gift.charity.charity_id}:{gift.money}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)
