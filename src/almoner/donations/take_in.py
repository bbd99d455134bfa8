"""Take kept gifts in: the ordinary rows, with the position of the record in the same transaction.

Whoever's transaction holds the position may send; nobody else ever does. `docs/decisions` tells why
this is safe in every order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct, structs

from almoner.donations import queries
from almoner.donations.answer import not_paid
from almoner.donations.ask_again import (
    DETAILS_EXPIRED,
    POSSIBLE_DUPLICATE,
    duplicate_question,
    key_conflict,
    payment_needed,
)
from almoner.donations.finish import FinishLinks
from almoner.donations.gift import Intent
from almoner.donations.intend import Begun, LooksLikeSecond, second_gifts
from almoner.donations.kept import KeptRecord
from almoner.donations.known import known
from almoner.donations.queries import Drained, Record
from almoner.donors.remember import remember
from almoner.events.event import Event
from almoner.events.outbox import tell
from almoner.payments.abandon import abandon
from almoner.payments.attempt import Attempt, AttemptRow, AttemptState, attempt_id_of
from almoner.payments.gateway import request_key_of
from almoner.payments.latest import latest
from almoner.payments.outcome import Outcome
from almoner.payments.record import record as record_outcomes
from almoner.payments.stamp import stamp
from almoner.platform.clock import now_ms
from almoner.platform.db import Connection, Writer
from almoner.platform.ids import IdDeriver, Tokens, new_id

BEGUN: Final = "begun"
THERE_BEFORE: Final = "there_before"
KEY_CONFLICTS: Final = "key_conflict"
LATER: Final = "later"
"""Not taken in yet: somebody else holds the stamp of this gift. Never written down."""
_RESULT_OF: Final = {DETAILS_EXPIRED: "payment_needed", POSSIBLE_DUPLICATE: "possible_duplicate"}


class TakenIn(Struct, frozen=True):
    """What came of a record. With `begun` its gift is stamped by us and to be charged now."""

    result: str
    intent: Intent
    begun: Begun | None = None


class _Plan(Struct, frozen=True):
    """An attempt to write: to be charged, or with the reason why not."""

    intent: Intent
    attempt: Attempt
    code: str | None = None
    first_donation_id: UUID | None = None


class TakeInRules(Struct, frozen=True):
    """`nonce_ms`: how old payment details may be. `check_after_ms`: see `payments/stamp.py`."""

    nonce_ms: int
    check_after_ms: int


class TakeIn:
    """Takes records of one segment in, many in one transaction.

    `owner` names this drainer: what it has taken in, and did not hear of, it finds again.
    """

    def __init__(
        self,
        writer: Writer,
        ids: IdDeriver,
        read_tokens: Tokens,
        links: FinishLinks,
        rules: TakeInRules,
    ) -> None:
        self.owner = new_id()
        self._writer = writer
        self._ids = ids
        self._read_tokens = read_tokens
        self._links = links
        self._rules = rules

    async def write(self, records: Sequence[KeptRecord]) -> list[TakenIn]:
        """What came of each, in order. Harmless to repeat.

        Raises DatabaseAway; it may then have been committed, and the next call says so.
        """
        segment_id, at_ms = records[0].position.segment_id, now_ms()
        intents = {
            r.position.sequence: r.kept.intent(self._ids, self.owner, at_ms) for r in records
        }
        async with self._writer.transaction() as connection:
            await queries.lock_segment(connection, segment_id)
            before = await queries.read_drained(connection, segment_id, list(intents))
            taken = await self._again(connection, before, intents)
            fresh = {n: intent for n, intent in intents.items() if n not in before}
            if fresh:
                found = await self._take_in(connection, list(fresh.values()))
                taken |= {n: found[intent.request_id] for n, intent in fresh.items()}
                drained = [
                    Drained(n, intent.donation_id, self.owner, taken[n].result)
                    for n, intent in fresh.items()
                    if taken[n].result != LATER
                ]
                await queries.insert_drained(connection, segment_id, drained)
        return [taken[record.position.sequence] for record in records]

    async def _again(
        self, connection: Connection, before: dict[int, Drained], intents: dict[int, Intent]
    ) -> dict[int, TakenIn]:
        """Records that were taken in before. Ours, whose commit went unanswered, go on."""
        ours = [
            (d.donation_id, intents[n].donor.donor_id)
            for n, d in before.items()
            if d.drained_by == self.owner and d.result == BEGUN
        ]
        attempts = await latest(connection, ours)
        taken: dict[int, TakenIn] = {}
        for n, drained in before.items():
            attempt = attempts.get(drained.donation_id)
            if attempt is not None and attempt.lease_owner == self.owner and _unmoved(attempt):
                begun = Begun(self._numbered(intents[n], attempt.number))
                taken[n] = TakenIn(BEGUN, intents[n], begun)
            else:
                taken[n] = TakenIn(THERE_BEFORE, intents[n])
        return taken

    async def _take_in(
        self, connection: Connection, intents: Sequence[Intent]
    ) -> dict[UUID, TakenIn]:
        """By request id."""
        claimed = await queries.insert_records(connection, intents)
        new = [intent for intent in intents if intent.request_id in claimed]
        fresh_enough = [intent for intent in new if not self._expired(intent)]
        seconds = await second_gifts(connection, fresh_enough)
        plans = [
            self._planned(intent, intent.attempt, _first_of(seconds, intent)) for intent in new
        ]
        if new:
            await remember(connection, [intent.donor for intent in new])
            await queries.insert_donations(connection, new)
        taken = await self._place(connection, plans)
        others = [intent for intent in intents if intent.request_id not in claimed]
        if others:
            taken |= await self._known_keys(connection, others)
        return taken

    async def _known_keys(
        self, connection: Connection, intents: Sequence[Intent]
    ) -> dict[UUID, TakenIn]:
        """Gifts whose key is in the database: by another way, or by a commit nobody heard of."""
        records, attempts = await known(connection, [i.donation_id for i in intents])
        following: list[tuple[Intent, Attempt]] = []
        taken: dict[UUID, TakenIn] = {}
        conflicts: list[Intent] = []
        for intent in intents:
            record, attempt = records[intent.donation_id], attempts[intent.donation_id]
            if not record.fits(intent.fingerprint):
                conflicts.append(intent)
                taken[intent.request_id] = TakenIn(KEY_CONFLICTS, intent)
            elif record.response_status is not None:
                taken[intent.request_id] = TakenIn(THERE_BEFORE, intent)
            elif attempt.state is AttemptState.NOT_SENT or (
                _never_sent(intent, record, attempt) and await self._given_up(connection, attempt)
            ):
                following.append((intent, self._numbered(intent, attempt.number + 1)))
            elif attempt.state is AttemptState.DISPATCHED:
                taken[intent.request_id] = TakenIn(LATER, intent)
            else:
                taken[intent.request_id] = TakenIn(THERE_BEFORE, intent)
        if conflicts:
            await remember(connection, [intent.donor for intent in conflicts])
            await tell(
                connection,
                [key_conflict(i.facts(), i.gift.locale, self._links) for i in conflicts],
            )
        # Their donors may have given in another way since the first stamp.
        asking = [intent for intent, _ in following if not self._expired(intent)]
        seconds = await second_gifts(connection, asking)
        plans = [
            self._planned(intent, attempt, _first_of(seconds, intent))
            for intent, attempt in following
        ]
        return taken | await self._place(connection, plans)

    async def _given_up(self, connection: Connection, attempt: AttemptRow) -> bool:
        """Move an attempt that was stamped and never sent to where another one may follow.

        Whether it moved: not when somebody else did so in this moment.
        """
        in_doubt = attempt.state is AttemptState.UNKNOWN
        at_ms = now_ms()
        outcome = Outcome(
            attempt_id=attempt.attempt_id,
            donor_id=attempt.donor_id,
            version=attempt.version,
            lease_epoch=attempt.lease_epoch,
            state=AttemptState.NOT_CHARGED if in_doubt else AttemptState.NOT_SENT,
            gateway_transaction_id=None,
            decline_code="not_charged",
            operation_id=new_id(),
            operation_kind="report",
            request_key=request_key_of(attempt.attempt_id, "kept"),
            gateway_code="kept_and_never_sent",
            started_ms=at_ms,
            finished_ms=at_ms,
        )
        return attempt.attempt_id in await record_outcomes(connection, [outcome])

    async def _place(self, connection: Connection, plans: Sequence[_Plan]) -> dict[UUID, TakenIn]:
        """Write the attempts: stamped, or given up with an answer and a question by mail."""
        stamped = [plan.attempt for plan in plans if plan.code is None]
        given_up = [(plan.attempt, plan.code) for plan in plans if plan.code is not None]
        if stamped:
            await stamp(connection, stamped, self._rules.check_after_ms)
        if given_up:
            await abandon(connection, given_up, now_ms())
            answers = [
                not_paid(plan.intent.facts(), plan.code, self._read_tokens)
                for plan in plans
                if plan.code is not None
            ]
            await queries.store_responses(connection, answers)
            await tell(connection, [e for plan in plans if (e := self._question(plan))])
        return {
            plan.intent.request_id: (
                TakenIn(BEGUN, plan.intent, Begun(plan.attempt))
                if plan.code is None
                else TakenIn(_RESULT_OF[plan.code], plan.intent)
            )
            for plan in plans
        }

    def _question(self, plan: _Plan) -> Event | None:
        facts, locale = plan.intent.facts(), plan.intent.gift.locale
        if plan.first_donation_id is not None:
            return duplicate_question(facts, plan.first_donation_id, locale, self._links)
        return payment_needed(facts, plan.code, locale, self._links) if plan.code else None

    def _planned(
        self, intent: Intent, attempt: Attempt, first_donation_id: UUID | None = None
    ) -> _Plan:
        code = DETAILS_EXPIRED if self._expired(intent) else None
        if first_donation_id is not None:
            code = POSSIBLE_DUPLICATE
        return _Plan(intent, attempt, code, first_donation_id)

    def _expired(self, intent: Intent) -> bool:
        """Whether the payment details are too old to be charged."""
        return now_ms() - intent.created_ms > self._rules.nonce_ms

    def _numbered(self, intent: Intent, number: int) -> Attempt:
        return structs.replace(
            intent.attempt,
            number=number,
            attempt_id=attempt_id_of(self._ids, intent.donation_id, number),
        )


def _first_of(seconds: dict[UUID, LooksLikeSecond], intent: Intent) -> UUID | None:
    """The gift that this one looks just like."""
    second = seconds.get(intent.request_id)
    return second.first_donation_id if second else None


def _unmoved(attempt: AttemptRow) -> bool:
    return attempt.state is AttemptState.DISPATCHED and attempt.version == 1


def _never_sent(intent: Intent, record: Record, attempt: AttemptRow) -> bool:
    """Whether the attempt was stamped by the very request that the journal holds.

    It was kept because it heard of no commit, so it sent nothing; and its record is not drained,
    so nobody has sent anything for it since.
    """
    if attempt.state is AttemptState.DISPATCHED and attempt.lease_owner == intent.request_id:
        return True
    return (
        record.request_id == intent.request_id
        and attempt.number == 1
        and attempt.state in (AttemptState.DISPATCHED, AttemptState.UNKNOWN)
    )
