"""Write a gift down before anything is sent: its key, donor, donation and stamped attempt.

Many gifts share one transaction. All of it may be repeated after a lost connection, because every
id was derived before the first try.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct, structs

from almoner.donations import queries
from almoner.donations.gift import Intent
from almoner.donations.known import known
from almoner.donations.queries import Record
from almoner.donors.remember import remember
from almoner.payments.attempt import (
    FINAL_NO,
    IN_DOUBT,
    Attempt,
    AttemptRow,
    AttemptState,
    attempt_id_of,
)
from almoner.payments.latest import latest
from almoner.payments.stamp import stamp
from almoner.platform.db import Connection, Writer
from almoner.platform.ids import IdDeriver


class Begun(Struct, frozen=True):
    """Written down and stamped by us: this process, and no other, may send the attempt."""

    attempt: Attempt


class Existing(Struct, frozen=True):
    """The key was used before; nothing was written."""

    record: Record
    attempt: AttemptRow


class LooksLikeSecond(Struct, frozen=True):
    """A gift just like it was made minutes ago or is still in doubt; nothing was written."""

    first_donation_id: UUID


Intended = Begun | Existing | LooksLikeSecond

_UNDECIDED: Final = IN_DOUBT | {AttemptState.NEEDS_REVIEW, AttemptState.LATE_SUCCESS}
"""States of a gift that may yet become money, however old it is."""


class IntentWriter:
    """Writes intents, many in one transaction."""

    def __init__(self, writer: Writer, ids: IdDeriver, *, check_after_ms: int) -> None:
        self._writer = writer
        self._ids = ids
        self._check_after_ms = check_after_ms

    async def write(self, intents: Sequence[Intent]) -> list[Intended]:
        """One result for each intent, in order."""
        results: dict[UUID, Intended] = {}
        async with self._writer.transaction() as connection:
            claimed = await queries.insert_records(connection, intents)
            new = [intent for intent in intents if intent.request_id in claimed]
            if seconds := await second_gifts(connection, new):
                results |= seconds
                taken_back = [intent for intent in new if intent.request_id in seconds]
                await queries.delete_records(connection, taken_back)
                results |= _same_keys(intents, taken_back, seconds)
                new = [intent for intent in new if intent.request_id not in seconds]
            if new:
                await self._insert(connection, new)
                results |= {i.request_id: Begun(i.attempt) for i in new}
            if len(results) < len(intents):
                others = [i for i in intents if i.request_id not in results]
                results |= await self._existing(connection, others)
        return [results[intent.request_id] for intent in intents]

    async def _insert(self, connection: Connection, new: Sequence[Intent]) -> None:
        async with connection.pipeline():
            await remember(connection, [intent.donor for intent in new])
            await queries.insert_donations(connection, new)
            await stamp(connection, [intent.attempt for intent in new], self._check_after_ms)

    async def _existing(
        self, connection: Connection, intents: Sequence[Intent]
    ) -> dict[UUID, Intended]:
        records, attempts = await known(connection, [i.donation_id for i in intents])
        seconds: dict[UUID, LooksLikeSecond] = {}
        if again := [i for i in intents if self._next_attempt(i, records, attempts)]:
            seconds = await _seconds_by_then(connection, again)
            records, attempts = await known(connection, [i.donation_id for i in intents])
        found: dict[UUID, Intended] = {}
        for intent in intents:
            record, attempt = records[intent.donation_id], attempts[intent.donation_id]
            if _is_ours(intent, attempt):
                found[intent.request_id] = Begun(self._numbered(intent, attempt.number))
            elif (following := self._next_attempt(intent, records, attempts)) is None:
                found[intent.request_id] = Existing(record, attempt)
            elif intent.donation_id in seconds:
                found[intent.request_id] = seconds[intent.donation_id]
            else:
                await stamp(connection, [following], self._check_after_ms)
                attempts[intent.donation_id] = structs.replace(
                    attempt, state=AttemptState.DISPATCHED
                )
                found[intent.request_id] = Begun(following)
        return found

    def _next_attempt(
        self, intent: Intent, records: dict[UUID, Record], attempts: dict[UUID, AttemptRow]
    ) -> Attempt | None:
        """Another attempt, where the last one was withdrawn unsent and nobody was told anything."""
        record, attempt = records[intent.donation_id], attempts[intent.donation_id]
        if (
            attempt.state is not AttemptState.NOT_SENT
            or record.response_status is not None
            or not record.fits(intent.fingerprint)
        ):
            return None
        return self._numbered(intent, attempt.number + 1)

    def _numbered(self, intent: Intent, number: int) -> Attempt:
        return structs.replace(
            intent.attempt,
            number=number,
            attempt_id=attempt_id_of(self._ids, intent.donation_id, number),
        )


async def _seconds_by_then(
    connection: Connection, again: Sequence[Intent]
) -> dict[UUID, LooksLikeSecond]:
    """Those that look like a second gift by now, by donation id.

    Their stamps were withdrawn, and their donors may have given in another way meanwhile. One
    after the other, also with a yes: of two requests with one key only the first may stamp.
    """
    once = list({intent.donation_id: intent for intent in again}.values())
    await queries.lock_looks(connection, [intent.look() for intent in once])
    seconds = await second_gifts(connection, once)
    return {i.donation_id: seconds[i.request_id] for i in once if i.request_id in seconds}


def _is_ours(intent: Intent, attempt: AttemptRow) -> bool:
    """Whether what is there was written by this very request, whose commit went unanswered."""
    return (
        attempt.lease_owner == intent.request_id
        and attempt.state is AttemptState.DISPATCHED
        and attempt.version == 1
    )


def _same_keys(
    intents: Sequence[Intent], taken_back: Sequence[Intent], seconds: dict[UUID, LooksLikeSecond]
) -> dict[UUID, Intended]:
    """The answer to every request of this batch whose key was just given back."""
    asked = {intent.donation_id: seconds[intent.request_id] for intent in taken_back}
    return {i.request_id: asked[i.donation_id] for i in intents if i.donation_id in asked}


async def second_gifts(
    connection: Connection, new: Sequence[Intent]
) -> dict[UUID, LooksLikeSecond]:
    """Those that look like a second gift, by request id. A confirmed gift never does.

    Gifts that look alike are judged one after the other, also by two processes at once: whoever
    comes second waits for the first one's commit and then sees it.
    """
    asking = [intent for intent in new if not intent.gift.confirm_duplicate]
    if asking:
        await queries.lock_looks(connection, [intent.look() for intent in asking])
    seconds: dict[UUID, LooksLikeSecond] = {}
    first: dict[tuple[object, ...], UUID] = {}
    for intent in asking:
        gift = intent.gift
        look = (intent.donor.donor_id, gift.charity.charity_id, gift.money)
        if look in first:
            seconds[intent.request_id] = LooksLikeSecond(first[look])
        first.setdefault(look, intent.donation_id)
    if asking and (alike := await queries.alike(connection, asking)):
        attempts = await latest(connection, [(a.donation_id, a.donor_id) for a in alike])
        for earlier in alike:
            state = attempts[earlier.donation_id].state
            if state in _UNDECIDED or (earlier.recent and state not in FINAL_NO):
                seconds[earlier.request_id] = LooksLikeSecond(earlier.donation_id)
    return seconds
