"""The answers of `POST /donations`, as bytes. A finished one is stored and replayed as it is."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from almoner.donations.facts import DonationFacts
from almoner.donations.schemas import GiftNotPaid, GiftPaid, GiftProcessing
from almoner.donations.status import STATUS_OF
from almoner.payments.attempt import AttemptState
from almoner.payments.declines import DONOR_WORDS
from almoner.platform.clock import rfc3339
from almoner.platform.errors import PROBLEM_TYPE_PREFIX
from almoner.platform.ids import Tokens

CREATED: Final = 201
ACCEPTED: Final = 202
PAYMENT_REQUIRED: Final = 402


class Answer(Struct, frozen=True):
    """A status and a JSON body. `replayed` says that it was given before, byte for byte."""

    status: int
    body: bytes
    donation_id: UUID
    replayed: bool = False


def paid(facts: DonationFacts, transaction_id: str, charged_ms: int, read_tokens: Tokens) -> Answer:
    """201: the gateway has taken the money."""
    body = GiftPaid(
        donation_id=str(facts.donation_id),
        status="success",
        transaction_id=transaction_id,
        donation_timestamp=rfc3339(charged_ms),
        amount=facts.money.decimal_text(),
        currency=facts.money.currency,
        charity_id=facts.charity_id,
        charity_name=facts.charity_name,
        read_token=read_tokens.sign(facts.donation_id.hex),
    )
    return Answer(CREATED, msgspec.json.encode(body), facts.donation_id)


def processing(facts: DonationFacts, read_tokens: Tokens, *, kept: bool = False) -> Answer:
    """202: written down, `kept` in a journal; what became of the charge is not known yet."""
    body = GiftProcessing(
        donation_id=str(facts.donation_id),
        status="processing",
        donation_timestamp=rfc3339(facts.created_ms),
        amount=facts.money.decimal_text(),
        currency=facts.money.currency,
        charity_id=facts.charity_id,
        charity_name=facts.charity_name,
        read_token=read_tokens.sign(facts.donation_id.hex),
        kept=kept,
    )
    return Answer(ACCEPTED, msgspec.json.encode(body), facts.donation_id)


def not_paid(facts: DonationFacts, decline_code: str, read_tokens: Tokens) -> Answer:
    """402: proved that nothing was charged, with the reason in donor words."""
    body = GiftNotPaid(
        type=PROBLEM_TYPE_PREFIX + "declined",
        title="The gift was not charged",
        status="failure",
        code=decline_code,
        error_message=DONOR_WORDS[decline_code],
        detail=DONOR_WORDS[decline_code],
        donation_id=str(facts.donation_id),
        amount=facts.money.decimal_text(),
        currency=facts.money.currency,
        charity_id=facts.charity_id,
        charity_name=facts.charity_name,
        read_token=read_tokens.sign(facts.donation_id.hex),
    )
    return Answer(PAYMENT_REQUIRED, msgspec.json.encode(body), facts.donation_id)


def of_state(
    facts: DonationFacts,
    state: AttemptState,
    observed: tuple[str | None, str | None, int],
    read_tokens: Tokens,
) -> Answer:
    """The answer that an attempt's state calls for.

    `observed` is the gateway's transaction id, the decline code, and when that was seen (ms).
    """
    transaction_id, decline_code, observed_ms = observed
    status = STATUS_OF[state]
    if status == "failure":
        return not_paid(facts, decline_code or "not_charged", read_tokens)
    if status in {"processing", "pending"} or transaction_id is None:
        return processing(facts, read_tokens)
    return paid(facts, transaction_id, observed_ms, read_tokens)
