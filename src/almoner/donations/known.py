"""Known: keys that were used before, each with its answer and the newest attempt for it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from almoner.donations import queries
from almoner.donations.queries import Record
from almoner.payments.attempt import IN_DOUBT, AttemptRow
from almoner.payments.latest import latest
from almoner.platform.db import Connection


async def known(
    connection: Connection, donation_ids: Sequence[UUID]
) -> tuple[dict[UUID, Record], dict[UUID, AttemptRow]]:
    """The records of used keys and the newest attempts, both by donation id.

    Each question has a view of the database of its own, so an attempt may be settled and its answer
    stored between the two. Where an attempt is out of doubt and no answer was there, the record is
    therefore read once more: what was told to a donor is seen whenever its cause is. Else another
    attempt would follow a "not charged", or a "paid" be told in other bytes.
    """
    records = await queries.read_records(connection, donation_ids)
    attempts = await latest(connection, [(r.donation_id, r.donor_id) for r in records.values()])
    unanswered = [
        donation_id
        for donation_id, attempt in attempts.items()
        if attempt.state not in IN_DOUBT and records[donation_id].response_status is None
    ]
    if unanswered:
        records |= await queries.read_records(connection, unanswered)
    return records, attempts
