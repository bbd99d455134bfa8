"""A gift as the journal holds it: what is needed to give it later, and no place for a card."""

from __future__ import annotations

from uuid import UUID

import msgspec
from msgspec import Struct

from almoner.charities.choose import ChosenCharity
from almoner.donations.facts import DonationFacts
from almoner.donations.gift import Gift, Intent
from almoner.donors.donor import Donor, donor_id_of
from almoner.money import Money
from almoner.payments.attempt import Attempt, attempt_id_of
from almoner.payments.card import holds_card_number
from almoner.payments.gateway import Instrument
from almoner.platform.ids import IdDeriver
from almoner.platform.journal.errors import JournalRefuses, Unreadable
from almoner.platform.journal.journal import Position


class KeptIntent(Struct, frozen=True):
    """The payload of a record. `created_ms` is when the donor asked."""

    donation_id: UUID
    request_id: UUID
    fingerprint: bytes
    created_ms: int
    gateway: str
    first_name: str
    last_name: str
    email: str
    email_normalised: str
    locale: str
    charity_id: int
    charity_slug: str
    charity_name: str
    merchant_account: str | None
    amount_minor: int
    currency: str
    nonce: str
    confirm_duplicate: bool = False

    def __repr__(self) -> str:
        return f"KeptIntent(donation_id={self.donation_id})"

    def facts(self, ids: IdDeriver) -> DonationFacts:
        """What can be told of it."""
        return DonationFacts(
            self.donation_id,
            donor_id_of(ids, self.email_normalised),
            self.charity_id,
            self.charity_slug,
            self.charity_name,
            Money(self.amount_minor, self.currency),
            self.created_ms,
        )

    def intent(self, ids: IdDeriver, lease_owner: UUID, now_ms: int) -> Intent:
        """The intent as it is written now, with a stamp of whoever takes it in."""
        donor = Donor(
            donor_id_of(ids, self.email_normalised),
            self.email,
            self.email_normalised,
            self.first_name,
            self.last_name,
            self.locale,
        )
        money = Money(self.amount_minor, self.currency)
        attempt = Attempt(
            attempt_id_of(ids, self.donation_id, 1),
            donor.donor_id,
            self.donation_id,
            1,
            self.gateway,
            money,
            lease_owner,
            now_ms,
            self.merchant_account,
        )
        return Intent(
            self.donation_id,
            self.request_id,
            self.fingerprint,
            donor,
            attempt,
            self._gift(money),
            self.created_ms,
        )

    def _gift(self, money: Money) -> Gift:
        charity = ChosenCharity(
            charity_id=self.charity_id,
            slug=self.charity_slug,
            name=self.charity_name,
            name_zh=None,
            status="active",
            currencies=None,
            merchant_account=self.merchant_account,
        )
        return Gift(
            self.first_name,
            self.last_name,
            self.email,
            self.email_normalised,
            self.locale,
            charity,
            money,
            Instrument(self.nonce),
            self.confirm_duplicate,
        )


class KeptRecord(Struct, frozen=True):
    """A kept gift and where its record stands."""

    position: Position
    kept: KeptIntent


def payload_of(intent: Intent) -> bytes:
    """The payload for an intent. Raises JournalRefuses where a card number hides in a text."""
    gift = intent.gift
    texts = (gift.first_name, gift.last_name, gift.email, gift.instrument.nonce)
    if any(holds_card_number(text) for text in texts):
        raise JournalRefuses("card_number")
    return msgspec.json.encode(
        KeptIntent(
            donation_id=intent.donation_id,
            request_id=intent.request_id,
            fingerprint=intent.fingerprint,
            created_ms=intent.created_ms,
            gateway=intent.attempt.gateway,
            first_name=gift.first_name,
            last_name=gift.last_name,
            email=gift.email,
            email_normalised=gift.email_normalised,
            locale=gift.locale,
            charity_id=gift.charity.charity_id,
            charity_slug=gift.charity.slug,
            charity_name=gift.charity.name,
            merchant_account=gift.charity.merchant_account,
            amount_minor=gift.money.amount_minor,
            currency=gift.money.currency,
            nonce=gift.instrument.nonce,
            confirm_duplicate=gift.confirm_duplicate,
        )
    )


def read_payload(payload: bytes) -> KeptIntent:
    """The gift of a payload. Raises Unreadable."""
    try:
        return msgspec.json.decode(payload, type=KeptIntent)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unreadable("a record of the journal holds no gift") from None
