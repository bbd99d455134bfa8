"""Which ledger entries a move of an attempt makes. A closed table: a new state must be decided."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from almoner.donations.facts import DonationFacts
from almoner.ledger.accounts import (
    SUSPENSE,
    charity_income,
    disputes,
    gateway_fees,
    gateway_receivable,
    payout_clearing,
)
from almoner.ledger.transfer import Transfer
from almoner.money import Money
from almoner.payments.attempt import AttemptState as State
from almoner.payments.outcome import Outcome
from almoner.platform.ids import IdDeriver, time_of

IN_INCOME = frozenset({State.SUBMITTED, State.SETTLED, State.DISPUTED})
"""States whose money stands in the charity's income."""

ONCE: Final = frozenset({"capture", "settlement", "fee"})
"""Kinds that an attempt posts once in its life. The others may come again, each with a move of its
own: a dispute that is won and opened once more, money that is seen again after it was returned."""


class Posting(Struct, frozen=True):
    """Which account is debited and which credited, and why."""

    kind: str
    debit: str
    credit: str
    money: Money


def postings_of(
    was: State, now: State, facts: DonationFacts, gateway: str, fee_minor: int
) -> list[Posting]:
    """The postings of a move. `fee_minor` is what the gateway kept, known when it settles.

    A dispute may be seen before the settlement report that tells the fee. The fee then comes with
    an outcome that leaves the state as it is.
    """
    if was is now:
        settled = now in (State.SETTLED, State.DISPUTED)
        return _of_fee(facts, gateway, fee_minor) if settled else []
    made = _of_capture(was, now, facts, gateway)
    if now is State.SETTLED and was is not State.DISPUTED:
        made += _of_settlement(facts, gateway, fee_minor)
    clearing = payout_clearing(gateway)
    if now is State.DISPUTED:
        made.append(Posting("dispute", disputes(gateway), clearing, facts.money))
    elif was is State.DISPUTED:
        made.append(Posting("dispute_won", clearing, disputes(gateway), facts.money))
    return made


def _of_capture(was: State, now: State, facts: DonationFacts, gateway: str) -> list[Posting]:
    """What makes money the charity's, or unmakes it."""
    receivable, income = gateway_receivable(gateway), charity_income(facts.charity_id)
    money = facts.money
    if was is State.LATE_SUCCESS:
        if now is State.VOIDED:
            return [Posting("reversal", SUSPENSE, receivable, money)]
        return [Posting("adoption", SUSPENSE, income, money)]
    if now is State.LATE_SUCCESS:
        return [Posting("late_success", receivable, SUSPENSE, money)]
    if now in IN_INCOME and was not in IN_INCOME:
        return [Posting("capture", receivable, income, money)]
    if was in IN_INCOME and now not in IN_INCOME:
        return [Posting("undone", income, receivable, money)]
    return []


def _of_settlement(facts: DonationFacts, gateway: str, fee_minor: int) -> list[Posting]:
    clearing = payout_clearing(gateway)
    made = [Posting("settlement", clearing, gateway_receivable(gateway), facts.money)]
    return made + _of_fee(facts, gateway, fee_minor)


def _of_fee(facts: DonationFacts, gateway: str, fee_minor: int) -> list[Posting]:
    if not fee_minor:
        return []
    fee = Money(fee_minor, facts.money.currency)
    return [Posting("fee", gateway_fees(gateway), payout_clearing(gateway), fee)]


def transfers_of(
    outcome: Outcome, was: State, facts: DonationFacts, gateway: str, ids: IdDeriver
) -> list[Transfer]:
    """The transfers of an outcome that was applied; each source can be posted once.

    The source of what may come again is the move, which the attempt's version numbers.
    """
    return [
        Transfer(
            transfer_id=ids.derive(
                "transfer",
                posting.kind,
                outcome.attempt_id.hex,
                *(() if posting.kind in ONCE else (str(outcome.version),)),
                at_ms=time_of(outcome.attempt_id),
            ),
            donor_id=facts.donor_id,
            debit=posting.debit,
            credit=posting.credit,
            money=posting.money,
            source_kind=posting.kind,
            source_id=outcome.attempt_id,
            posted_ms=outcome.finished_ms,
        )
        for posting in postings_of(was, outcome.state, facts, gateway, outcome.fee_minor)
    ]
