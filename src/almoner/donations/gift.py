"""A gift that passed every check, and what is written down of it before any money moves."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from almoner.charities.choose import ChosenCharity
from almoner.donations.facts import DonationFacts
from almoner.donors.donor import Donor
from almoner.money import Money
from almoner.payments.attempt import Attempt
from almoner.payments.gateway import Instrument
from almoner.payments.outcome import Outcome

LOST_FINGERPRINT: Final = bytes(32)
"""Of a gift that was recovered from the gateway's record: nobody knows what was asked for."""


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


async def _learn_nothing(_: Outcome) -> None:
    """Nobody wants to know."""


class Care(Struct, frozen=True):
    """How a gift is treated beside the ordinary.

    With `uniform_declines` nothing is told of why a bank said no; with `check_harder` the gateway
    is asked for its stricter checks; `learn` is told the outcome.
    """

    uniform_declines: bool = False
    check_harder: bool = False
    learn: Callable[[Outcome], Awaitable[None]] = _learn_nothing


ORDINARY: Final = Care()


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


class RecoveredGift(Struct, frozen=True):
    """A gift of which only the gateway still knows. `number` is that of its attempt.

    `declined_first` is the decline code where the gateway said no before it took the money after
    all: the donor was told "not charged".
    """

    donation_id: UUID
    attempt_id: UUID
    number: int
    charity_id: int
    money: Money
    charged_ms: int
    charity_slug: str = ""
    charity_name: str = ""
    declined_first: str | None = None

    def facts(self, donor_id: UUID) -> DonationFacts:
        """What can be told of it."""
        return DonationFacts(
            self.donation_id,
            donor_id,
            self.charity_id,
            self.charity_slug,
            self.charity_name,
            self.money,
            self.charged_ms,
        )
