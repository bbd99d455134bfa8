"""SQL of the donations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from almoner.donations.answer import Answer
from almoner.donations.facts import DonationFacts
from almoner.donations.gift import LOST_FINGERPRINT, Intent
from almoner.money import Money
from almoner.platform import arrays
from almoner.platform.db import Connection, Database


class Record(Struct, frozen=True):
    """What is known of an idempotency key. The response is there once it is final.

    Its body is empty once it has expired; the status stays, as what the donor was told stays true.
    """

    donation_id: UUID
    donor_id: UUID
    fingerprint: bytes
    request_id: UUID
    response_status: int | None
    response_body: bytes | None

    def fits(self, fingerprint: bytes | None) -> bool:
        """Whether a request under this key asks for the same, or may do so for all we know.

        None is a request that is no gift by today's rules; it was not asked for before either.
        """
        return self.fingerprint in (fingerprint, LOST_FINGERPRINT)


async def insert_records(connection: Connection, intents: Sequence[Intent]) -> set[UUID]:
    """Claim keys; gives the request ids that won theirs.

    Ordered by id, so that two nodes never wait for each other in a circle.
    """
    cursor = await connection.execute(
        """
        INSERT INTO idempotency_record (donation_id, donor_id, fingerprint, request_id, created_at)
        SELECT donation_id, donor_id, fingerprint, request_id,
               to_timestamp(created_ms / 1000::float8)
        FROM unnest(%s::uuid[], %s::uuid[], %s::bytea[], %s::uuid[], %s::bigint[])
             AS new (donation_id, donor_id, fingerprint, request_id, created_ms)
        ORDER BY donation_id
        ON CONFLICT DO NOTHING
        RETURNING request_id
        """,
        (
            arrays.uuids(i.donation_id for i in intents),
            arrays.uuids(i.donor.donor_id for i in intents),
            arrays.byteas(i.fingerprint for i in intents),
            arrays.uuids(i.request_id for i in intents),
            arrays.integers(i.created_ms for i in intents),
        ),
        prepare=True,
    )
    return {row["request_id"] for row in await cursor.fetchall()}


async def delete_records(connection: Connection, intents: Sequence[Intent]) -> None:
    """Give keys back that were claimed in this same transaction."""
    await connection.execute(
        """
        DELETE FROM idempotency_record AS r USING unnest(%s::uuid[], %s::uuid[])
             AS mine (donation_id, request_id)
        WHERE r.donation_id = mine.donation_id AND r.request_id = mine.request_id
        """,
        (
            arrays.uuids(i.donation_id for i in intents),
            arrays.uuids(i.request_id for i in intents),
        ),
    )


async def read_records(connection: Connection, donation_ids: Sequence[UUID]) -> dict[UUID, Record]:
    """The records of keys that exist."""
    cursor = await connection.execute(
        """
        SELECT donation_id, donor_id, fingerprint, request_id, response_status, response_body
        FROM idempotency_record WHERE donation_id = ANY (%s::uuid[])
        """,
        (arrays.uuids(donation_ids),),
    )
    return {row["donation_id"]: Record(**row) for row in await cursor.fetchall()}


async def insert_donations(connection: Connection, intents: Sequence[Intent]) -> None:
    """Insert the donations of keys that this transaction claimed."""
    await connection.execute(
        """
        INSERT INTO donation (donation_id, donor_id, charity_id, amount_minor, currency,
                              first_name, last_name, email, locale, created_at)
        SELECT donation_id, donor_id, charity_id, amount_minor, currency, first_name, last_name,
               email, locale, to_timestamp(created_ms / 1000::float8)
        FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[], %s::bigint[], %s::text[], %s::text[],
                    %s::text[], %s::text[], %s::text[], %s::bigint[])
             AS new (donation_id, donor_id, charity_id, amount_minor, currency, first_name,
                     last_name, email, locale, created_ms)
        """,
        (
            arrays.uuids(i.donation_id for i in intents),
            arrays.uuids(i.donor.donor_id for i in intents),
            arrays.integers(i.gift.charity.charity_id for i in intents),
            arrays.integers(i.gift.money.amount_minor for i in intents),
            arrays.texts(i.gift.money.currency for i in intents),
            arrays.texts(i.gift.first_name for i in intents),
            arrays.texts(i.gift.last_name for i in intents),
            arrays.texts(i.gift.email for i in intents),
            arrays.texts(i.gift.locale for i in intents),
            arrays.integers(i.created_ms for i in intents),
        ),
        prepare=True,
    )


class AlikeDonation(Struct, frozen=True):
    """An earlier donation that looks like the one of `request_id`."""

    request_id: UUID
    donation_id: UUID
    donor_id: UUID
    recent: bool


async def lock_looks(connection: Connection, looks: Sequence[int]) -> None:
    """Let no other transaction judge gifts of these looks until this one ends.

    In ascending order, so that two transactions never wait for each other in a circle.
    """
    await connection.execute(
        "SELECT count(pg_advisory_xact_lock(look)) FROM unnest(%s::bigint[]) AS look",
        (arrays.integers(sorted(set(looks))),),
        prepare=True,
    )


async def alike(connection: Connection, intents: Sequence[Intent]) -> list[AlikeDonation]:
    """Donations of the same donor, charity and amount within a week.

    Leaves open whether they were paid; `recent` is within ten minutes of each other, by when their
    donors asked: a gift may have waited in a journal. Older ones than a week are out of doubt by
    then and nobody mistakes them for a double click.
    """
    cursor = await connection.execute(
        """
        SELECT new.request_id, d.donation_id, d.donor_id,
               abs(extract(epoch FROM d.created_at) * 1000 - new.created_ms) < 600000 AS recent
        FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::bigint[], %s::bigint[], %s::text[],
                    %s::bigint[])
             AS new (request_id, donation_id, donor_id, charity_id, amount_minor, currency,
                     created_ms)
        JOIN donation AS d ON d.donor_id = new.donor_id AND d.created_at > now() - interval '7 days'
             AND d.charity_id = new.charity_id AND d.amount_minor = new.amount_minor
             AND d.currency = new.currency AND d.donation_id <> new.donation_id
        """,
        (
            arrays.uuids(i.request_id for i in intents),
            arrays.uuids(i.donation_id for i in intents),
            arrays.uuids(i.donor.donor_id for i in intents),
            arrays.integers(i.gift.charity.charity_id for i in intents),
            arrays.integers(i.gift.money.amount_minor for i in intents),
            arrays.texts(i.gift.money.currency for i in intents),
            arrays.integers(i.created_ms for i in intents),
        ),
        prepare=True,
    )
    return [AlikeDonation(**row) for row in await cursor.fetchall()]


class Told(Struct, frozen=True):
    """What a donor was told for good. `recent` while a stored answer cannot have expired."""

    response_status: int | None
    recent: bool


async def read_told(connection: Connection, donation_id: UUID) -> Told | None:
    """What the donor of a donation was told."""
    cursor = await connection.execute(
        """
        SELECT response_status, created_at > now() - interval '29 days' AS recent
        FROM idempotency_record WHERE donation_id = %s
        """,
        (donation_id,),
    )
    row = await cursor.fetchone()
    return None if row is None else Told(**row)


async def given_again(
    connection: Connection, donation_id: UUID, donor_id: UUID
) -> list[tuple[UUID, UUID]]:
    """Donations alike, of the same donor, that were made after this one: id and donor."""
    cursor = await connection.execute(
        """
        SELECT d.donation_id, d.donor_id FROM donation AS d
        JOIN donation AS this ON this.donation_id = %s AND this.donor_id = d.donor_id
        WHERE d.donor_id = %s AND d.created_at >= this.created_at
          AND d.donation_id <> this.donation_id AND d.charity_id = this.charity_id
          AND d.amount_minor = this.amount_minor AND d.currency = this.currency
        """,
        (donation_id, donor_id),
    )
    return [(row["donation_id"], row["donor_id"]) for row in await cursor.fetchall()]


async def store_responses(connection: Connection, answers: Sequence[Answer]) -> None:
    """Keep final answers for replay. The first one stays: a donor is never told two things."""
    await connection.execute(
        """
        UPDATE idempotency_record AS r
        SET response_status = new.status, response_body = new.body
        FROM unnest(%s::uuid[], %s::smallint[], %s::bytea[]) AS new (donation_id, status, body)
        WHERE r.donation_id = new.donation_id AND r.response_status IS NULL
        """,
        (
            arrays.uuids(a.donation_id for a in answers),
            arrays.integers(a.status for a in answers),
            arrays.byteas(a.body for a in answers),
        ),
        prepare=True,
    )


async def expire_responses(
    connection: Connection, after: UUID, *, days: int, count: int
) -> UUID | None:
    """Empty stored answers that are older than so many days, among the next `count` records.

    Gives the last id that was looked at, None at the end. The row and its status stay for ever:
    they are the rule "one donation for a key". Ids sort by time where keys do, but a caller
    chooses the time in a key, so it is `created_at` that counts.
    """
    cursor = await connection.execute(
        """
        WITH page AS (
            SELECT donation_id, created_at, response_body FROM idempotency_record
            WHERE donation_id > %(after)s ORDER BY donation_id LIMIT %(count)s
        ), expired AS (
            UPDATE idempotency_record AS r SET response_body = ''
            FROM page WHERE r.donation_id = page.donation_id AND page.response_body <> ''
              AND page.created_at < now() - make_interval(days => %(days)s)
        )
        SELECT donation_id FROM page ORDER BY donation_id DESC LIMIT 1
        """,
        {"after": after, "count": count, "days": days},
    )
    row = await cursor.fetchone()
    return None if row is None else row["donation_id"]


_FACTS: Final = """
    SELECT d.donation_id, d.donor_id, d.charity_id, c.slug AS charity_slug, c.name AS charity_name,
           d.amount_minor, d.currency,
           (extract(epoch FROM d.created_at) * 1000)::bigint AS created_ms
    FROM idempotency_record AS r
    JOIN donation AS d USING (donation_id, donor_id)
    JOIN charity AS c USING (charity_id)
    WHERE r.donation_id = ANY (%s::uuid[])
"""


async def read_facts(database: Database, donation_id: UUID) -> DonationFacts | None:
    """The facts of a donation, found through its idempotency record, which knows its donor."""
    row = await database.fetch_one(_FACTS, (arrays.uuids([donation_id]),))
    return None if row is None else _facts(row)


async def read_many_facts(
    connection: Connection, donation_ids: Sequence[UUID]
) -> dict[UUID, DonationFacts]:
    """The facts of donations that exist, by id."""
    cursor = await connection.execute(_FACTS, (arrays.uuids(donation_ids),))
    return {row["donation_id"]: _facts(row) for row in await cursor.fetchall()}


def _facts(row: dict[str, Any]) -> DonationFacts:
    amount_minor, currency = row.pop("amount_minor"), row.pop("currency")
    return DonationFacts(money=Money(amount_minor, currency), **row)


class Drained(Struct, frozen=True):
    """A record of a journal that was taken in: by which drainer, and what came of it."""

    sequence: int
    donation_id: UUID
    drained_by: UUID
    result: str


async def probe_commit(connection: Connection) -> None:
    """Make the caller's transaction one whose commit must reach the disk.

    It inserts no attempt, which fails where none may be inserted: in a database that was restored.
    """
    await connection.execute(
        """
        WITH nothing AS (INSERT INTO payment_attempt (attempt_id) SELECT NULL::uuid WHERE false)
        SELECT pg_current_xact_id()
        """
    )


async def lock_segment(connection: Connection, segment_id: UUID) -> None:
    """Let nobody else drain this segment until the transaction ends."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(%s)", (int.from_bytes(segment_id.bytes[8:], signed=True),)
    )


async def read_drained(
    connection: Connection, segment_id: UUID, sequences: Sequence[int]
) -> dict[int, Drained]:
    """Those of these records that were taken in before, by sequence."""
    cursor = await connection.execute(
        """
        SELECT sequence, donation_id, drained_by, result FROM journal_drained
        WHERE segment_id = %s AND sequence = ANY (%s::bigint[])
        """,
        (segment_id, arrays.integers(sequences)),
    )
    return {row["sequence"]: Drained(**row) for row in await cursor.fetchall()}


async def insert_drained(
    connection: Connection, segment_id: UUID, drained: Sequence[Drained]
) -> None:
    """Write down that records were taken in. Raises UniqueViolation for one that was before."""
    await connection.execute(
        """
        INSERT INTO journal_drained (segment_id, sequence, donation_id, drained_by, result,
                                     drained_at)
        SELECT %s, sequence, donation_id, drained_by, result, now()
        FROM unnest(%s::bigint[], %s::uuid[], %s::uuid[], %s::text[])
             AS new (sequence, donation_id, drained_by, result)
        """,
        (
            segment_id,
            arrays.integers(d.sequence for d in drained),
            arrays.uuids(d.donation_id for d in drained),
            arrays.uuids(d.drained_by for d in drained),
            arrays.texts(d.result for d in drained),
        ),
    )


async def count_drained(database: Database, segment_id: UUID) -> int:
    """How many records of a segment were taken in."""
    row = await database.fetch_one(
        "SELECT count(*) AS drained FROM journal_drained WHERE segment_id = %s", (segment_id,)
    )
    return 0 if row is None else int(row["drained"])
