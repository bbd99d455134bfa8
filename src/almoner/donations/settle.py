"""Settle: an outcome with its ledger entries, its event and its answer, in one commit."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from msgspec import Struct

from almoner.donations import queries
from almoner.donations.answer import Answer, of_state
from almoner.donations.ask_again import DETAILS_GONE, payment_needed
from almoner.donations.facts import DonationFacts
from almoner.donations.finish import FinishLinks
from almoner.donations.postings import transfers_of
from almoner.donations.recovered.unknown_donor import unknown_donor
from almoner.donations.telling import events_of
from almoner.events.event import Event
from almoner.events.outbox import tell
from almoner.ledger.post import post
from almoner.ledger.transfer import Transfer
from almoner.payments.attempt import AttemptRow, AttemptState
from almoner.payments.outcome import Outcome
from almoner.payments.record import current, record
from almoner.platform.batch import Batcher
from almoner.platform.db import Database, Writer
from almoner.platform.ids import IdDeriver, Tokens
from almoner.platform.metrics import LATE_MONEY

log = structlog.get_logger(__name__)


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
        self._unknown_donor_id = unknown_donor(ids).donor_id
        self._read_tokens = read_tokens
        self._links = links

    async def write(self, settlements: Sequence[Settlement]) -> list[Answer]:
        """The answer for each, in order.

        An outcome whose attempt was moved meanwhile changes nothing; its answer then tells what
        the attempt is now. Of two for the same attempt in one batch the first counts, as if they
        had come one after the other. One that changes no state stores no answer: a key that was
        withdrawn unsent stays free, however often the gateway is asked about it.
        """
        first = {s.outcome.attempt_id: s for s in reversed(settlements)}
        async with self._writer.transaction() as connection:
            moved = await record(connection, [s.outcome for s in first.values()])
            applied = [s for s in first.values() if s.outcome.attempt_id in moved]
            changed = [s for s in applied if s.outcome.state is not s.was]
            posted = [(s, self._transfers(s)) for s in applied]
            async with connection.pipeline():
                if transfers := [t for _, of_one in posted for t in of_one]:
                    await post(connection, transfers)
                if events := [e for s, of_one in posted for e in _events(s, of_one)]:
                    await tell(connection, events + self._asked_again(changed))
                if final := [a for s in changed if (a := self._answer_of(s)).status != 202]:
                    await queries.store_responses(connection, final)
            done = {id(s) for s in applied}
            stale = [s.outcome.attempt_id for s in settlements if id(s) not in done]
            rows = await current(connection, stale) if stale else {}
        _page(changed)
        return [
            self._answer_of(s)
            if id(s) in done
            else self._answer_now(s.facts, rows[s.outcome.attempt_id])
            for s in settlements
        ]

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
        outcome, facts = settlement.outcome, settlement.facts
        # Of a gift that was brought back the gateway's time counts, not that of the look-up.
        recovered = facts.donor_id == self._unknown_donor_id
        at_ms = facts.created_ms if recovered else outcome.finished_ms
        observed = (outcome.gateway_transaction_id, outcome.decline_code, at_ms)
        return of_state(facts, outcome.state, observed, self._read_tokens)

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

    async def follow(self, attempt: AttemptRow, outcomes: Sequence[Outcome]) -> AttemptRow:
        """Settle several moves one after the other, each in a commit of its own.

        Stops where somebody else has moved the attempt meanwhile. Gives the attempt as it then is.
        """
        for outcome in outcomes:
            await self.settle(attempt, outcome)
            async with self._database.connection() as connection:
                rows = await current(connection, [attempt.attempt_id])
            attempt = rows[attempt.attempt_id]
            if attempt.version != outcome.version + 1 or attempt.state is not outcome.state:
                break
        return attempt


def _events(settlement: Settlement, transfers: list[Transfer]) -> list[Event]:
    return events_of(
        settlement.outcome, settlement.was, settlement.facts, settlement.gateway, transfers
    )


def _page(changed: Sequence[Settlement]) -> None:
    """Money on a final no must wake somebody, whoever decides about it."""
    for settlement in changed:
        if settlement.outcome.state is AttemptState.LATE_SUCCESS:
            LATE_MONEY.labels("seen").inc()
            log.error(
                "late_success",
                attempt_id=str(settlement.outcome.attempt_id),
                donation_id=str(settlement.facts.donation_id),
                was=settlement.was,
            )
