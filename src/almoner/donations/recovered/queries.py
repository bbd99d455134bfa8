"""SQL of gifts that are brought back."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from almoner.donations.gift import LOST_FINGERPRINT, RecoveredGift
from almoner.donors.donor import Donor
from almoner.platform import arrays
from almoner.platform.db import Connection


async def insert_recovered(
    connection: Connection, gifts: Sequence[RecoveredGift], donor: Donor, request_id: UUID
) -> set[UUID]:
    """Write gifts down whose donor is not known; gives the donations that were not there.

    The key's record comes first: whoever has it has the donation.
    """
    cursor = await connection.execute(
        """
        WITH new AS (
            SELECT DISTINCT ON (donation_id) *
            FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[])
                AS new (donation_id, charity_id, amount_minor, currency, charged_ms)
        ), claimed AS (
            INSERT INTO idempotency_record (donation_id, donor_id, fingerprint, request_id,
                                            created_at)
            SELECT donation_id, %s, %s, %s, to_timestamp(charged_ms / 1000::float8)
            FROM new ORDER BY donation_id ON CONFLICT DO NOTHING RETURNING donation_id
        )
        INSERT INTO donation (donation_id, donor_id, charity_id, amount_minor, currency,
                              first_name, last_name, email, locale, created_at)
        SELECT donation_id, %s, charity_id, amount_minor, currency, %s, %s, %s, %s,
               to_timestamp(charged_ms / 1000::float8)
        FROM new JOIN claimed USING (donation_id)
        RETURNING donation_id
        """,
        (
            arrays.uuids(g.donation_id for g in gifts),
            arrays.integers(g.charity_id for g in gifts),
            arrays.integers(g.money.amount_minor for g in gifts),
            arrays.texts(g.money.currency for g in gifts),
            arrays.integers(g.charged_ms for g in gifts),
            donor.donor_id,
            LOST_FINGERPRINT,
            request_id,
            donor.donor_id,
            donor.first_name,
            donor.last_name,
            donor.email,
            donor.locale,
        ),
    )
    return {row["donation_id"] for row in await cursor.fetchall()}


async def donors_of(connection: Connection, donation_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Whose partition each donation lies in, of those that exist."""
    cursor = await connection.execute(
        "SELECT donation_id, donor_id FROM idempotency_record WHERE donation_id = ANY (%s::uuid[])",
        (arrays.uuids(donation_ids),),
    )
    return {row["donation_id"]: row["donor_id"] for row in await cursor.fetchall()}
