"""SQL of the events."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from almoner.events.event import Event
from almoner.platform import arrays
from almoner.platform.db import Connection


async def insert(connection: Connection, events: Sequence[Event]) -> None:
    """Insert events as not yet published."""
    await connection.execute(
        """
        INSERT INTO event (event_id, donor_id, donation_id, kind, payload, occurred_at)
        SELECT event_id, donor_id, donation_id, kind, payload::jsonb,
               to_timestamp(occurred_ms / 1000::float8)
        FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::bigint[])
             AS new (event_id, donor_id, donation_id, kind, payload, occurred_ms)
        """,
        (
            arrays.uuids(e.event_id for e in events),
            arrays.uuids(e.donor_id for e in events),
            arrays.uuids(e.donation_id for e in events),
            arrays.texts(e.kind for e in events),
            arrays.texts(msgspec.json.encode(e.payload).decode() for e in events),
            arrays.integers(e.occurred_ms for e in events),
        ),
        prepare=True,
    )
