"""Recover: write a gift down again that a restored database has lost and the gateway still knows.

The donor is lost with it. What is written is what is known: the charity, the amount, the attempt.
The attempt begins as sent and in doubt, so that the resolver looks it up and settles it like any
other, with its ledger entries, event and answer. One that the gateway declined first is declined
here too, with the answer "not charged", before anybody looks it up: what is found then is late
money, about which what the donor was told decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from almoner.donations import queries as gift_queries
from almoner.donations.answer import Answer, not_paid
from almoner.donations.gift import RecoveredGift
from almoner.donations.recovered import queries
from almoner.donations.recovered.unknown_donor import unknown_donor
from almoner.donations.telling import events_of
from almoner.donors.remember import remember
from almoner.events.event import Event
from almoner.events.outbox import tell
from almoner.payments.attempt import FINAL_NO, Attempt, AttemptState, attempt_id_of
from almoner.payments.declines import DONOR_WORDS
from almoner.payments.gateway import request_key_of
from almoner.payments.latest import latest
from almoner.payments.outcome import Outcome
from almoner.payments.record import record
from almoner.payments.stamp import stamp
from almoner.platform.clock import now_ms
from almoner.platform.db import Connection
from almoner.platform.ids import IdDeriver, Tokens, new_id

NOT_CHARGED: Final = "not_charged"
ATTEMPTS_MAX: Final = 50
"""No donation has had as many attempts."""


def number_of(ids: IdDeriver, donation_id: UUID, attempt_id: UUID) -> int | None:
    """Which attempt of a donation this is; None when it is none, so the reference does not fit."""
    numbers = range(1, ATTEMPTS_MAX + 1)
    return next((n for n in numbers if attempt_id_of(ids, donation_id, n) == attempt_id), None)


async def recover(
    connection: Connection,
    ids: IdDeriver,
    read_tokens: Tokens,
    gateway: str,
    gifts: Sequence[RecoveredGift],
) -> set[UUID]:
    """Write them down inside the caller's transaction; gives the attempts that are there now.

    One that is missing from the answer cannot be: its donation has another attempt that is live.
    """
    donor = unknown_donor(ids)
    await remember(connection, [donor])
    await queries.insert_recovered(connection, gifts, donor, new_id())
    donors = await queries.donors_of(connection, [gift.donation_id for gift in gifts])
    newest = await latest(connection, list(donors.items()))
    live = {payable for payable, attempt in newest.items() if attempt.state not in FINAL_NO}
    attempts: list[Attempt] = []
    for gift in gifts:
        if gift.donation_id not in live:
            live.add(gift.donation_id)
            attempts.append(_attempt(gift, donors[gift.donation_id], gateway))
    if attempts:
        await stamp(connection, attempts, check_after_ms=0)
        stamped = {attempt.attempt_id for attempt in attempts}
        late = [g for g in gifts if g.declined_first is not None and g.attempt_id in stamped]
        await _decline(connection, gateway, [(g, donors[g.donation_id]) for g in late], read_tokens)
    return {attempt.attempt_id for attempt in attempts}


async def _decline(
    connection: Connection,
    gateway: str,
    gifts: Sequence[tuple[RecoveredGift, UUID]],
    read_tokens: Tokens,
) -> None:
    """Write down the no that came first, in the transaction of the stamp, and have a look due.

    Between the two nobody can take the charge for a gift that was wanted and told as paid.
    """
    outcomes = [_declined(gift, donor_id) for gift, donor_id in gifts]
    await record(connection, outcomes)
    events: list[Event] = []
    answers: list[Answer] = []
    for (gift, donor_id), outcome in zip(gifts, outcomes, strict=True):
        facts = gift.facts(donor_id)
        events += events_of(outcome, AttemptState.DISPATCHED, facts, gateway, [])
        answers.append(not_paid(facts, outcome.decline_code or NOT_CHARGED, read_tokens))
    if gifts:
        await tell(connection, events)
        await gift_queries.store_responses(connection, answers)


def _declined(gift: RecoveredGift, donor_id: UUID) -> Outcome:
    at_ms = now_ms()
    known = gift.declined_first in DONOR_WORDS
    return Outcome(
        attempt_id=gift.attempt_id,
        donor_id=donor_id,
        version=1,
        lease_epoch=1,
        state=AttemptState.DECLINED,
        gateway_transaction_id=None,
        decline_code=gift.declined_first if known else NOT_CHARGED,
        operation_id=new_id(),
        operation_kind="look_up",
        request_key=request_key_of(gift.attempt_id, "declined_first"),
        gateway_code="declined_first",
        started_ms=at_ms,
        finished_ms=at_ms,
        next_check_ms=at_ms,
    )


def _attempt(gift: RecoveredGift, donor_id: UUID, gateway: str) -> Attempt:
    return Attempt(
        gift.attempt_id,
        donor_id,
        gift.donation_id,
        gift.number,
        gateway,
        gift.money,
        new_id(),
        gift.charged_ms,
    )
