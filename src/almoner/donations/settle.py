"""Settle: an outcome with its ledger entries, its event and its answer, in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from almoner.donations import queries
from almoner.donations.answer import Answer, of_state
from almoner.donations.ask_again import DETAILS_GONE, payment_needed
from almoner.donations.facts import DonationFacts
from almoner.donations.finish import FinishLinks
from almoner.donations.postings import transfers_of
from almoner.donations.status import STATUS_OF
from almoner.events.event import Event
from almoner.events.outbox import tell
from almoner.ledger.post import post
from almoner.ledger.transfer import Transfer
from almoner.payments.attempt import AttemptRow, AttemptState
from almoner.payments.outcome import Outcome
from almoner.payments.record import current, record
from almoner.platform.batch import Batcher
from almoner.platform.db import Database, Writer
from almoner.platform.ids import IdDeriver, Tokens, new_id


class Settlement(Struct, frozen=True):
    """An outcome with what it means for its donation. `was` is the state it moves from.

    `locale` is there for a gift that was kept in the journal: its donor may have left the page.
    """

    outcome: Outcome
    facts: DonationFacts
    gateway: str
    was: AttemptState
    locale: str | None = None


class SettlementWriter:
    """Writes settlements, many in one transaction."""

    def __init__(
        self, writer: Writer, ids: IdDeriver, read_tokens: Tokens, links: FinishLinks
    ) -> None:
        self._writer = writer
        self._ids = ids
        self._read_tokens = read_tokens
        self._links = links

    async def write(self, settlements: Sequence[Settlement]) -> list[Answer]:
        """The answer for each, in order.

        An outcome whose attempt was moved meanwhile changes nothing; its answer then tells what
        the attempt is now.
        """
        async with self._writer.transaction() as connection:
            moved = await record(connection, [s.outcome for s in settlements])
            applied = [s for s in settlements if s.outcome.attempt_id in moved]
            answers = {s.outcome.attempt_id: self._answer_of(s) for s in applied}
            async with connection.pipeline():
                if transfers := [t for s in applied for t in self._transfers(s)]:
                    await post(connection, transfers)
                if events := [_event(s) for s in applied if s.outcome.state is not s.was]:
                    await tell(connection, events + self._asked_again(applied))
                if final := [a for a in answers.values() if a.status != 202]:
                    await queries.store_responses(connection, final)
            if stale := [s for s in settlements if s.outcome.attempt_id not in moved]:
                rows = await current(connection, [s.outcome.attempt_id for s in stale])
                for s in stale:
                    answers[s.outcome.attempt_id] = self._answer_now(
                        s.facts, rows[s.outcome.attempt_id]
                    )
        return [answers[s.outcome.attempt_id] for s in settlements]

    def _asked_again(self, applied: Sequence[Settlement]) -> list[Event]:
        """For kept gifts whose payment details were of no use any more."""
        return [
            payment_needed(s.facts, s.outcome.decline_code, s.locale, self._links)
            for s in applied
            if s.locale and s.outcome.decline_code in DETAILS_GONE
        ]

    def _transfers(self, settlement: Settlement) -> list[Transfer]:
        return transfers_of(
            settlement.outcome, settlement.was, settlement.facts, settlement.gateway, self._ids
        )

    def _answer_of(self, settlement: Settlement) -> Answer:
        outcome = settlement.outcome
        observed = (outcome.gateway_transaction_id, outcome.decline_code, outcome.finished_ms)
        return of_state(settlement.facts, outcome.state, observed, self._read_tokens)

    def _answer_now(self, facts: DonationFacts, row: AttemptRow) -> Answer:
        observed = (
            row.gateway_transaction_id,
            row.decline_code,
            row.observed_ms or facts.created_ms,
        )
        return of_state(facts, row.state, observed, self._read_tokens)


class Settling:
    """Settles one attempt at a time on behalf of the resolver and of reports from outside."""

    def __init__(self, database: Database, batcher: Batcher[Settlement, Answer]) -> None:
        self._database = database
        self._batcher = batcher

    async def settle(self, attempt: AttemptRow, outcome: Outcome) -> Answer:
        """Settle an attempt that was read before. Raises LookupError if its donation is gone."""
        facts = await queries.read_facts(self._database, attempt.payable_id)
        if facts is None:
            raise LookupError(f"attempt {attempt.attempt_id} has no donation")
        return await self._batcher.submit(
            Settlement(outcome, facts, attempt.gateway, attempt.state)
        )


_KIND_OF_STATUS = {
    "success": "donation.paid",
    "failure": "donation.not_paid",
    "processing": "donation.in_doubt",
    "disputed": "donation.disputed",
}


def _event(settlement: Settlement) -> Event:
    outcome, facts = settlement.outcome, settlement.facts
    payload: dict[str, Any] = {
        "attempt_id": str(outcome.attempt_id),
        "state": outcome.state,
        "charity_id": facts.charity_id,
        "amount_minor": facts.money.amount_minor,
        "currency": facts.money.currency,
        "gateway": settlement.gateway,
    }
    if outcome.gateway_transaction_id:
        payload["transaction_id"] = outcome.gateway_transaction_id
    if outcome.decline_code:
        payload["code"] = outcome.decline_code
    return Event(
        new_id(),
        facts.donor_id,
        facts.donation_id,
        _KIND_OF_STATUS[STATUS_OF[outcome.state]],
        payload,
        outcome.finished_ms,
    )
