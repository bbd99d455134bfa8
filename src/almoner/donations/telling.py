"""What is told of a move of an attempt. A closed table: a new move must be decided.

`docs/reference/events.md` lists the kinds and what each carries; a test keeps the two equal.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from almoner.donations.ask_again import DUPLICATE_QUESTION, KEY_CONFLICT, PAYMENT_NEEDED
from almoner.donations.facts import DonationFacts
from almoner.donations.postings import IN_INCOME
from almoner.events.event import Event
from almoner.ledger.accounts import charity_income
from almoner.ledger.transfer import Transfer
from almoner.payments.attempt import AttemptState as State
from almoner.payments.outcome import Outcome
from almoner.platform.ids import new_id


class Told(StrEnum):
    """The kinds of events that tell of a move."""

    PAID = "donation.paid"
    NOT_PAID = "donation.not_paid"
    IN_DOUBT = "donation.in_doubt"
    SETTLED = "donation.settled"
    DISPUTED = "donation.disputed"
    DISPUTE_WON = "donation.dispute_won"
    SETTLEMENT_FAILED = "donation.settlement_failed"
    MONEY_RETURNED = "donation.money_returned"
    LATE_SUCCESS = "donation.late_success"


KINDS: Final = frozenset(kind.value for kind in Told) | {
    PAYMENT_NEEDED,
    DUPLICATE_QUESTION,
    KEY_CONFLICT,
}
"""All kinds, with those that ask a donor for something."""

INCOME_KINDS: Final = frozenset(
    {Told.PAID.value, Told.SETTLEMENT_FAILED.value, Told.MONEY_RETURNED.value}
)
"""The kinds that may change what a charity has been given; `income_minor` says by how much."""

_NO_MONEY: Final = frozenset(
    {State.DECLINED, State.NOT_SENT, State.NOT_CHARGED, State.EXPIRED, State.ABANDONED}
)


def kinds_of(was: State, now: State) -> list[Told]:
    """What is told of a move, in order; nothing of one that changes nothing.

    A charge that is first seen when it was paid out already is told as paid, then as settled.
    """
    if was is now:
        return []
    told = [Told.PAID] if now in IN_INCOME and was not in IN_INCOME else []
    if now is State.SETTLED:
        told.append(Told.DISPUTE_WON if was is State.DISPUTED else Told.SETTLED)
    elif now is State.DISPUTED:
        told.append(Told.DISPUTED)
    elif now is State.LATE_SUCCESS:
        told.append(Told.LATE_SUCCESS)
    elif now is State.SETTLEMENT_FAILED:
        told.append(Told.SETTLEMENT_FAILED)
    elif now is State.VOIDED:
        told.append(Told.NOT_PAID if was is State.AUTHORIZED else Told.MONEY_RETURNED)
    elif now in _NO_MONEY:
        told.append(Told.NOT_PAID)
    elif now is not State.SUBMITTED:
        told.append(Told.IN_DOUBT)
    return told


def events_of(
    outcome: Outcome, was: State, facts: DonationFacts, gateway: str, transfers: list[Transfer]
) -> list[Event]:
    """The events of an outcome that was applied, with the transfers it made."""
    payload = _payload(outcome, facts, gateway)
    income_minor = _income_minor(facts, transfers)
    return [
        Event(
            new_id(),
            facts.donor_id,
            facts.donation_id,
            kind.value,
            payload | {"income_minor": income_minor} if kind.value in INCOME_KINDS else payload,
            outcome.finished_ms,
        )
        for kind in kinds_of(was, outcome.state)
    ]


def _income_minor(facts: DonationFacts, transfers: list[Transfer]) -> int:
    """By how much the charity's income grew, by the very entries that are posted."""
    income = charity_income(facts.charity_id)
    return sum(
        t.money.amount_minor * ((t.credit == income) - (t.debit == income)) for t in transfers
    )


def _payload(outcome: Outcome, facts: DonationFacts, gateway: str) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "attempt_id": str(outcome.attempt_id),
        "state": outcome.state.value,
        "charity_id": facts.charity_id,
        "amount_minor": facts.money.amount_minor,
        "currency": facts.money.currency,
        "gateway": gateway,
    }
    if outcome.gateway_transaction_id:
        payload["transaction_id"] = outcome.gateway_transaction_id
    if outcome.decline_code:
        payload["code"] = outcome.decline_code
    return payload
