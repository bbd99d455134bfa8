"""Twins of `almoner.donations.queries`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import structs

from almoner.donations.answer import Answer
from almoner.donations.facts import DonationFacts
from almoner.donations.gift import Intent
from almoner.donations.queries import AlikeDonation, Drained, Record, Told
from almoner.money import Money
from simulation.store.schema import DonationRow, DrainedRow, RecordRow
from simulation.store.transaction import Transaction

_RECENT_MS: Final = 600_000
_WEEK_MS: Final = 7 * 86_400_000


async def insert_records(tx: Transaction, intents: Sequence[Intent]) -> set[UUID]:
    table = tx.store.schema.record
    claimed = set()
    for intent in sorted(intents, key=lambda i: i.donation_id):
        row = RecordRow(
            intent.donation_id,
            intent.donor.donor_id,
            intent.fingerprint,
            intent.request_id,
            intent.created_ms,
        )
        if await tx.insert(table, row, skip=True):
            claimed.add(intent.request_id)
    return claimed


async def delete_records(tx: Transaction, intents: Sequence[Intent]) -> None:
    table = tx.store.schema.record
    mine = {(i.donation_id, i.request_id) for i in intents}
    await tx.delete(
        table,
        [r.donation_id for r in tx.rows(table) if (r.donation_id, r.request_id) in mine],
    )


async def read_records(tx: Transaction, donation_ids: Sequence[UUID]) -> dict[UUID, Record]:
    table = tx.store.schema.record
    found = {}
    for donation_id in donation_ids:
        row = tx.get(table, donation_id)
        if row is not None:
            found[donation_id] = Record(
                row.donation_id,
                row.donor_id,
                row.fingerprint,
                row.request_id,
                row.response_status,
                row.response_body,
            )
    return found


async def insert_donations(tx: Transaction, intents: Sequence[Intent]) -> None:
    for intent in intents:
        gift = intent.gift
        row = DonationRow(
            intent.donation_id,
            intent.donor.donor_id,
            gift.charity.charity_id,
            gift.money.amount_minor,
            gift.money.currency,
            gift.first_name,
            gift.last_name,
            gift.email,
            gift.locale,
            intent.created_ms,
        )
        await tx.insert(tx.store.schema.donation, row)


async def lock_looks(tx: Transaction, looks: Sequence[int]) -> None:
    for look in sorted(set(looks)):
        await tx.lock(("look", look))


async def alike(tx: Transaction, intents: Sequence[Intent]) -> list[AlikeDonation]:
    now_ms = tx.started_ms
    return [
        AlikeDonation(
            intent.request_id,
            row.donation_id,
            row.donor_id,
            abs(row.created_ms - intent.created_ms) < _RECENT_MS,
        )
        for intent in intents
        for row in tx.rows(tx.store.schema.donation)
        if row.donor_id == intent.donor.donor_id
        and row.created_ms > now_ms - _WEEK_MS
        and row.charity_id == intent.gift.charity.charity_id
        and row.amount_minor == intent.gift.money.amount_minor
        and row.currency == intent.gift.money.currency
        and row.donation_id != intent.donation_id
    ]


async def read_told(tx: Transaction, donation_id: UUID) -> Told | None:
    row = tx.get(tx.store.schema.record, donation_id)
    if row is None:
        return None
    return Told(row.response_status, recent=row.created_ms > tx.started_ms - 29 * 86_400_000)


async def given_again(
    tx: Transaction, donation_id: UUID, donor_id: UUID
) -> list[tuple[UUID, UUID]]:
    table = tx.store.schema.donation
    this = tx.get(table, (donation_id, donor_id))
    if this is None:
        return []
    return [
        (row.donation_id, row.donor_id)
        for row in tx.rows(table)
        if row.donor_id == donor_id
        and row.created_ms >= this.created_ms
        and row.donation_id != donation_id
        and (row.charity_id, row.amount_minor, row.currency)
        == (this.charity_id, this.amount_minor, this.currency)
    ]


async def store_responses(tx: Transaction, answers: Sequence[Answer]) -> None:
    table = tx.store.schema.record
    for answer in answers:
        status, body = answer.status, answer.body

        def change(row: RecordRow, status: int = status, body: bytes = body) -> RecordRow:
            return structs.replace(row, response_status=status, response_body=body)

        await tx.update(table, [answer.donation_id], lambda r: r.response_status is None, change)


async def read_facts(tx: Transaction, donation_id: UUID) -> DonationFacts | None:
    return (await read_many_facts(tx, [donation_id])).get(donation_id)


async def read_many_facts(
    tx: Transaction, donation_ids: Sequence[UUID]
) -> dict[UUID, DonationFacts]:
    found = {donation_id: _facts(tx, donation_id) for donation_id in donation_ids}
    return {donation_id: facts for donation_id, facts in found.items() if facts is not None}


def _facts(tx: Transaction, donation_id: UUID) -> DonationFacts | None:
    schema = tx.store.schema
    record = tx.get(schema.record, donation_id)
    if record is None:
        return None
    donation = tx.get(schema.donation, (donation_id, record.donor_id))
    if donation is None:
        return None
    charity = tx.get(schema.charity, donation.charity_id)
    if charity is None:
        return None
    return DonationFacts(
        donation.donation_id,
        donation.donor_id,
        donation.charity_id,
        charity.slug,
        charity.name,
        Money(donation.amount_minor, donation.currency),
        donation.created_ms,
    )


async def probe_commit(tx: Transaction) -> None:
    """Nothing is written, and the commit still has to go through."""
    tx.writes.setdefault("journal_drained", {})


async def lock_segment(tx: Transaction, segment_id: UUID) -> None:
    await tx.lock(("look", int.from_bytes(segment_id.bytes[8:], signed=True)))


async def read_drained(
    tx: Transaction, segment_id: UUID, sequences: Sequence[int]
) -> dict[int, Drained]:
    table = tx.store.schema.drained
    return {
        sequence: Drained(row.sequence, row.donation_id, row.drained_by, row.result)
        for sequence in sequences
        if (row := tx.get(table, (segment_id, sequence))) is not None
    }


async def insert_drained(tx: Transaction, segment_id: UUID, drained: Sequence[Drained]) -> None:
    for one in drained:
        row = DrainedRow(
            segment_id, one.sequence, one.donation_id, one.drained_by, one.result, tx.started_ms
        )
        await tx.insert(tx.store.schema.drained, row)
