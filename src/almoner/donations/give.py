"""Give: write the gift down, charge it, write down what came of it, and tell the donor.

The three happen in a task of their own: a browser that is closed cancels nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import structlog
from msgspec import Struct, structs

from almoner.donations.answer import Answer, of_state, processing
from almoner.donations.errors import InFlight, KeyReused, PossibleDuplicate
from almoner.donations.facts import DonationFacts
from almoner.donations.gift import ORDINARY, Care, Gift, Intent
from almoner.donations.intend import Begun, Existing, LooksLikeSecond
from almoner.donations.keep import Keeping, Kept
from almoner.donations.keys import RequestKey
from almoner.donations.queries import Record
from almoner.donations.recall import Recalling
from almoner.donations.settle import Settlement
from almoner.donors.donor import Donor, donor_id_of
from almoner.payments.attempt import IN_DOUBT, Attempt, AttemptRow, AttemptState, attempt_id_of
from almoner.payments.charge import Charging
from almoner.payments.declines import OF_THE_CARD, UNIFORM
from almoner.payments.due.schedule import next_look_ms
from almoner.payments.gateway import Charge, Observation, Reference, Seen, request_key_of
from almoner.payments.outcome import Outcome
from almoner.platform.admission import Lane
from almoner.platform.batch import Batcher
from almoner.platform.clock import now_ms
from almoner.platform.db import Database, DatabaseAway
from almoner.platform.errors import Overloaded, Problem, Unavailable
from almoner.platform.ids import IdDeriver, Tokens, new_id

log = structlog.get_logger(__name__)

FIRST_LOOK_MS = 5_000
DRAIN_S = 5.0


class GivingPolicy(Struct, frozen=True):
    """`donor_wait_ms`: after so long a donor is answered 202 while the charge goes on.

    At most `at_work_max` gifts are carried out at once, and `waiting_max` wait for their turn, up
    to `turn_wait_ms`.
    """

    gateway: str
    donor_wait_ms: int
    at_work_max: int = 4_000
    waiting_max: int = 2_000
    turn_wait_ms: int = 2_000


class _Waiting:
    """A donor who waits. Nobody is told "processing" before the gift is written down."""

    __slots__ = ("_begun", "_late", "told")

    def __init__(self, told: asyncio.Future[None]) -> None:
        self.told = told
        self._begun = False
        self._late = False

    def begin(self) -> None:
        """The gift is written down."""
        self._begun = True
        if self._late:
            self.tell()

    def tell_if_begun(self) -> None:
        """The donor has waited long enough: tell what is known as soon as that is true."""
        self._late = True
        if self._begun:
            self.tell()

    def tell(self) -> None:
        """Let the donor have an answer."""
        if not self.told.done():
            self.told.set_result(None)


class Giving:
    """Takes gifts. Each request with a gift is the lease owner of what it sends."""

    def __init__(
        self,
        database: Database,
        ids: IdDeriver,
        read_tokens: Tokens,
        keeping: Keeping,
        settlements: Batcher[Settlement, Answer],
        charging: Charging,
        policy: GivingPolicy,
    ) -> None:
        self._database = database
        self._ids = ids
        self._read_tokens = read_tokens
        self._keeping = keeping
        self._settlements = settlements
        self._charging = charging
        self._policy = policy
        self._lane = Lane(
            "gifts",
            at_work_max=policy.at_work_max,
            waiting_max=policy.waiting_max,
            wait_ms=policy.turn_wait_ms,
        )
        self._recalling = Recalling(database, wait_ms=policy.turn_wait_ms)
        self._running: dict[asyncio.Task[Answer], _Waiting] = {}
        self._under_way: dict[UUID, bytes] = {}

    async def give(self, gift: Gift, key: RequestKey, care: Care = ORDINARY) -> Answer:
        """Take a gift under a key, with some care.

        Raises KeyReused, InFlight, PossibleDuplicate, or Unavailable; with each of these nothing
        was changed by this call. A key that was used before is never told Overloaded.
        """
        intent = self._intent(gift, key)
        try:
            self._refuse_if_under_way(intent)
            await self._lane.enter()
            return await self._give(intent, care)
        except Overloaded:
            before = await self._recall_if_possible(key, intent.fingerprint)
            if before is None:
                raise
            return before

    async def _give(self, intent: Intent, care: Care) -> Answer:
        """Carry the gift out in a task of its own, which takes over the place in the lane."""
        try:
            self._refuse_if_under_way(intent)
        except Problem:
            self._lane.leave()
            raise
        loop = asyncio.get_running_loop()
        waiting = _Waiting(loop.create_future())
        task = self._start(self._carry_out(intent, waiting, care), waiting)
        task.add_done_callback(lambda _: self._lane.leave())
        timer = loop.call_later(self._policy.donor_wait_ms / 1000, waiting.tell_if_begun)
        try:
            await waiting.told
        finally:
            timer.cancel()
        return task.result() if task.done() else processing(intent.facts(), self._read_tokens)

    def carry_on(self, intent: Intent, begun: Begun) -> asyncio.Task[Answer]:
        """Charge a gift that was kept in the journal and is stamped now; nobody waits for it."""
        waiting = _Waiting(asyncio.get_running_loop().create_future())
        return self._start(self._charge(intent, begun, kept=True), waiting)

    def _refuse_if_under_way(self, intent: Intent) -> None:
        """A gift that this very process is charging needs no place and no question.

        Raises InFlight, or KeyReused when it is another gift.
        """
        fingerprint = self._under_way.get(intent.donation_id)
        if fingerprint is None:
            return
        if fingerprint != intent.fingerprint:
            raise KeyReused
        raise InFlight

    async def recall(self, key: RequestKey, fingerprint: bytes | None) -> Answer | None:
        """What is to be told of a gift that was taken under this key before; None if none was.

        Raises KeyReused when it was another gift, InFlight, DatabaseAway, or Overloaded.
        """
        donation_id = key.donation_id(self._ids)
        kept = self._keeping.find(donation_id)
        if kept is not None and kept.fingerprint != fingerprint:
            raise KeyReused
        told = None if kept is None else processing(kept.facts, self._read_tokens, kept=True)
        if self._keeping.away:
            if told is None:
                raise DatabaseAway
            return told
        found = await self._recalling.recall(donation_id)
        if found is None or _was_withdrawn(found.record, found.attempt):
            return told
        if not found.record.fits(fingerprint):
            raise KeyReused
        return self._answer_now(found.record, found.attempt, found.facts)

    async def _recall_if_possible(self, key: RequestKey, fingerprint: bytes) -> Answer | None:
        """Like `recall`; None also when nobody can say."""
        try:
            return await self.recall(key, fingerprint)
        except Unavailable:
            return None

    def release_donors(self) -> None:
        """Tell every donor whose gift is written down that it is being processed.

        For a process that is about to stop: their charges go on, their waiting need not.
        """
        for waiting in self._running.values():
            waiting.tell_if_begun()

    async def open(self) -> None:
        """Begin to recall. Every gift starts its own task."""
        await self._recalling.open()

    async def close(self) -> None:
        """Wait a while for charges under way. What is not done by then, the resolver finds."""
        if self._running:
            await asyncio.wait(list(self._running), timeout=DRAIN_S)
        await self._recalling.close()

    def report(self) -> None:
        """Write down how much is going on, for the metrics."""
        self._lane.report()
        self._recalling.report()

    @property
    def under_way(self) -> int:
        """Gifts that are being carried out now."""
        return len(self._running)

    def _start(self, work: Coroutine[Any, Any, Answer], waiting: _Waiting) -> asyncio.Task[Answer]:
        task = asyncio.create_task(work)
        self._running[task] = waiting
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Answer]) -> None:
        self._running.pop(task).tell()
        if not task.cancelled():
            task.exception()  # a donor who has gone does not leave "never retrieved" behind

    def _intent(self, gift: Gift, key: RequestKey) -> Intent:
        donation_id = key.donation_id(self._ids)
        donor_id = donor_id_of(self._ids, gift.email_normalised)
        created_ms, request_id = now_ms(), new_id()
        return Intent(
            donation_id,
            request_id,
            gift.fingerprint(),
            Donor(
                donor_id,
                gift.email,
                gift.email_normalised,
                gift.first_name,
                gift.last_name,
                gift.locale,
            ),
            Attempt(
                attempt_id_of(self._ids, donation_id, 1),
                donor_id,
                donation_id,
                1,
                self._policy.gateway,
                gift.money,
                request_id,
                created_ms,
                gift.charity.merchant_account,
            ),
            gift,
            created_ms,
        )

    async def _carry_out(self, intent: Intent, waiting: _Waiting, care: Care) -> Answer:
        intended = await self._keeping.write(intent)
        if isinstance(intended, Kept):
            return processing(intended.gift.facts, self._read_tokens, kept=True)
        if isinstance(intended, LooksLikeSecond):
            raise PossibleDuplicate(intended.first_donation_id)
        if isinstance(intended, Existing):
            return self._answer_existing(intent, intended)
        waiting.begin()
        return await self._charge(intent, intended, care)

    async def _charge(
        self, intent: Intent, begun: Begun, care: Care = ORDINARY, *, kept: bool = False
    ) -> Answer:
        self._under_way[intent.donation_id] = intent.fingerprint
        try:
            return await self._charge_and_settle(intent, begun, care, kept=kept)
        finally:
            self._under_way.pop(intent.donation_id, None)

    async def _charge_and_settle(
        self, intent: Intent, begun: Begun, care: Care, *, kept: bool
    ) -> Answer:
        attempt, gift, started_ms = begun.attempt, intent.gift, now_ms()
        charge = Charge(
            attempt.attempt_id,
            gift.money,
            gift.instrument,
            attempt.merchant_account,
            Reference(intent.donation_id, gift.charity.charity_id),
            care.check_harder,
        )
        observation = await self._charging.charge(attempt.gateway, charge)
        outcome = _outcome(attempt, observation, started_ms)
        told = _told_alike(outcome) if care.uniform_declines else outcome
        answer = await self._settlements.submit(
            Settlement(
                told,
                intent.facts(),
                attempt.gateway,
                AttemptState.DISPATCHED,
                locale=intent.gift.locale if kept else None,
            )
        )
        try:
            await care.learn(outcome)
        except Exception:
            log.exception("outcome_not_learned")
        return answer

    def _answer_existing(self, intent: Intent, existing: Existing) -> Answer:
        if not existing.record.fits(intent.fingerprint):
            raise KeyReused
        return self._answer_now(existing.record, existing.attempt, intent.facts())

    def _answer_now(self, record: Record, attempt: AttemptRow, facts: DonationFacts) -> Answer:
        """The stored answer, or else what the attempt's state calls for. Raises InFlight."""
        if record.response_status is not None and record.response_body:
            return Answer(
                record.response_status, record.response_body, record.donation_id, replayed=True
            )
        if attempt.state is AttemptState.DISPATCHED:
            raise InFlight
        observed = (
            attempt.gateway_transaction_id,
            attempt.decline_code,
            attempt.observed_ms or attempt.dispatched_ms,
        )
        answer = of_state(facts, attempt.state, observed, self._read_tokens)
        told_before = record.response_status is not None
        return structs.replace(answer, replayed=True) if told_before else answer


def _was_withdrawn(record: Record, attempt: AttemptRow) -> bool:
    """Stamped, never sent, and nobody was told anything: the key is as good as new."""
    return attempt.state is AttemptState.NOT_SENT and record.response_status is None


def _told_alike(outcome: Outcome) -> Outcome:
    """The outcome without the bank's reason; the gateway's own word stays in the operation."""
    if outcome.decline_code in OF_THE_CARD:
        return structs.replace(outcome, decline_code=UNIFORM)
    return outcome


_STATE_OF_SEEN = {
    Seen.SUBMITTED: AttemptState.SUBMITTED,
    Seen.DECLINED: AttemptState.DECLINED,
    Seen.NOT_SENT: AttemptState.NOT_SENT,
    Seen.UNKNOWN: AttemptState.UNKNOWN,
}


def _outcome(attempt: Attempt, observation: Observation, started_ms: int) -> Outcome:
    state = _STATE_OF_SEEN[observation.seen]
    finished_ms = now_ms()
    decline_code = observation.decline_code
    if state is AttemptState.NOT_SENT:
        decline_code = "gateway_unreachable"
    return Outcome(
        attempt_id=attempt.attempt_id,
        donor_id=attempt.donor_id,
        version=1,
        lease_epoch=1,
        state=state,
        gateway_transaction_id=observation.gateway_transaction_id,
        decline_code=decline_code,
        operation_id=new_id(),
        operation_kind="sale",
        request_key=request_key_of(attempt.attempt_id, "sale"),
        gateway_code=observation.gateway_code,
        started_ms=started_ms,
        finished_ms=finished_ms,
        next_check_ms=_next_look_ms(attempt, state, finished_ms, observation.gateway_code),
    )


def _next_look_ms(
    attempt: Attempt, state: AttemptState, at_ms: int, gateway_code: str | None
) -> int | None:
    """Soon where there is doubt; by the schedule of a final no where there should be none."""
    if state in IN_DOUBT:
        return at_ms + FIRST_LOOK_MS
    return next_look_ms(state, attempt.dispatched_ms, at_ms, at_ms, gateway_code)
