"""SQL of the donors."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.donors.donor import Donor
from almoner.platform import arrays
from almoner.platform.db import Connection


async def insert_new(connection: Connection, donors: Sequence[Donor]) -> None:
    """Insert donors that are not there yet.

    Ordered by id, so that two nodes that meet the same donors wait for each other in the same
    order and never in a circle.
    """
    await connection.execute(
        """
        INSERT INTO donor (donor_id, email_normalised, email, first_name, last_name, locale,
                           created_at)
        SELECT donor_id, email_normalised, email, first_name, last_name, locale, now()
        FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
             AS new (donor_id, email_normalised, email, first_name, last_name, locale)
        ORDER BY donor_id
        ON CONFLICT DO NOTHING
        """,
        (
            arrays.uuids(d.donor_id for d in donors),
            arrays.texts(d.email_normalised for d in donors),
            arrays.texts(d.email for d in donors),
            arrays.texts(d.first_name for d in donors),
            arrays.texts(d.last_name for d in donors),
            arrays.texts(d.locale for d in donors),
        ),
        prepare=True,
    )
