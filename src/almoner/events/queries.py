"""SQL of the events."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from almoner.events.event import Event
from almoner.platform import arrays
from almoner.platform.db import Connection, Database
from almoner.platform.shards import SHARDS


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


class Delivery(Struct, frozen=True):
    """An event that a consumer has still to be told of; `tries` are those that failed."""

    event: Event
    tries: int


class Failure(Struct, frozen=True):
    """What becomes of a delivery that failed. `error` is a type, never a text."""

    delivery: Delivery
    tries: int
    next_ms: int
    parked_ms: int | None
    error: str

    @property
    def parked(self) -> bool:
        """Whether it is left to people now."""
        return self.parked_ms is not None


class Parked(Struct, frozen=True):
    """An event that a consumer could not handle. Times are milliseconds since 1970."""

    consumer: str
    event_id: UUID
    donation_id: UUID
    kind: str
    tries: int
    error: str
    parked_ms: int


_RELAY: Final = 0x414C4D52
"""The class of the relay's advisory locks; a consumer's is made from its name."""


async def subscriptions(connection: Connection) -> dict[str, set[str]]:
    """The kinds that are published to each consumer."""
    cursor = await connection.execute("SELECT consumer, kind FROM event_subscription")
    known: dict[str, set[str]] = {}
    for row in await cursor.fetchall():
        known.setdefault(row["consumer"], set()).add(row["kind"])
    return known


async def lock_all_shards(connection: Connection) -> None:
    """Let no relay publish until this transaction ends."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(%s, shard) FROM generate_series(0, %s) AS shard",
        (_RELAY, SHARDS - 1),
    )


async def subscribe(
    connection: Connection, consumer: str, kinds: Sequence[str], at_ms: int
) -> None:
    """Publish these kinds to a consumer from now on."""
    await connection.execute(
        """
        INSERT INTO event_subscription (consumer, kind, subscribed_at)
        SELECT %s, kind, to_timestamp(%s / 1000::float8) FROM unnest(%s::text[]) AS kind
        ON CONFLICT DO NOTHING
        """,
        (consumer, at_ms, arrays.texts(kinds)),
    )


async def deliver_the_past(
    connection: Connection, consumer: str, kinds: Sequence[str], at_ms: int
) -> None:
    """Deliver what was published before the consumer came, a partition at a time."""
    for shard in range(SHARDS):
        await connection.execute(
            _statement(
                f"""
                INSERT INTO delivery (consumer, event_id, donor_id, donation_id, number, next_at)
                SELECT %s, event_id, donor_id, donation_id, coalesce(number, 0),
                       to_timestamp(%s / 1000::float8)
                FROM event_{shard} WHERE kind = ANY (%s::text[]) AND published_at IS NOT NULL
                ON CONFLICT DO NOTHING
                """
            ),
            (consumer, at_ms, arrays.texts(kinds)),
        )


async def shards_with_unpublished(database: Database) -> list[int]:
    """The partitions in which something waits for the relay."""
    rows = await database.fetch_all(
        " UNION ALL ".join(
            f"SELECT {shard} AS shard "
            f"WHERE EXISTS (SELECT FROM event_{shard} WHERE published_at IS NULL)"
            for shard in range(SHARDS)
        )
    )
    return [row["shard"] for row in rows]


async def lock_shard(connection: Connection, shard: int) -> bool:
    """Have a partition's outbox for this transaction, unless another relay has it."""
    return await _try_lock(connection, _RELAY, shard)


async def publish(connection: Connection, shard: int, limit: int, at_ms: int) -> dict[str, int]:
    """Publish the oldest events of a partition to whoever subscribed; gives how many of each kind.

    Events are claimed by what they are, unpublished, and never by "number above the last one":
    numbers are not given in the order of commits. A row that something else has locked is skipped
    with everything of its donation, so that none of a donation's events overtakes another.
    """
    cursor = await connection.execute(
        _statement(
            f"""
            WITH oldest AS MATERIALIZED (
                SELECT event_id, donor_id, donation_id FROM event_{shard}
                WHERE published_at IS NULL
                ORDER BY number NULLS FIRST, event_id LIMIT %(limit)s
            ), locked AS MATERIALIZED (
                SELECT e.event_id, e.donor_id, e.donation_id, e.kind,
                       coalesce(e.number, 0) AS number
                FROM event_{shard} AS e JOIN oldest USING (event_id, donor_id)
                WHERE e.published_at IS NULL FOR UPDATE OF e SKIP LOCKED
            ), claimed AS MATERIALIZED (
                SELECT * FROM locked WHERE donation_id NOT IN (
                    SELECT donation_id FROM oldest
                    WHERE event_id NOT IN (SELECT event_id FROM locked))
            ), told AS (
                INSERT INTO delivery (consumer, event_id, donor_id, donation_id, number, next_at)
                SELECT s.consumer, c.event_id, c.donor_id, c.donation_id, c.number,
                       to_timestamp(%(at_ms)s / 1000::float8)
                FROM claimed AS c JOIN event_subscription AS s USING (kind)
                ON CONFLICT DO NOTHING
            )
            UPDATE event_{shard} AS e SET published_at = to_timestamp(%(at_ms)s / 1000::float8)
            FROM claimed AS c WHERE e.event_id = c.event_id AND e.donor_id = c.donor_id
            RETURNING e.kind
            """
        ),
        {"limit": limit, "at_ms": at_ms},
    )
    return Counter(row["kind"] for row in await cursor.fetchall())


async def shards_with_due(database: Database, consumer: str, at_ms: int) -> list[int]:
    """The partitions in which something is due for a consumer."""
    rows = await database.fetch_all(
        " UNION ALL ".join(
            f"""
            SELECT {shard} AS shard WHERE EXISTS (
                SELECT FROM delivery_{shard} WHERE consumer = %(consumer)s AND parked_at IS NULL
                AND next_at <= to_timestamp(%(at_ms)s / 1000::float8))
            """
            for shard in range(SHARDS)
        ),
        {"consumer": consumer, "at_ms": at_ms},
    )
    return [row["shard"] for row in rows]


async def lock_deliveries(connection: Connection, consumer: str, shard: int) -> bool:
    """Have a consumer's deliveries of a partition for this transaction, unless another has them."""
    return await _try_lock(connection, zlib.crc32(consumer.encode()) - (1 << 31), shard)


async def due(
    connection: Connection, shard: int, consumer: str, at_ms: int, limit: int
) -> list[Delivery]:
    """What a consumer is to be told now, in order.

    Leaves out what waits behind an earlier event of its donation that failed or is parked.
    """
    cursor = await connection.execute(
        _statement(
            f"""
            SELECT e.event_id, e.donor_id, e.donation_id, e.kind, e.payload, d.tries,
                   (extract(epoch FROM e.occurred_at) * 1000)::bigint AS occurred_ms
            FROM delivery_{shard} AS d JOIN event_{shard} AS e USING (event_id, donor_id)
            WHERE d.consumer = %(consumer)s AND d.parked_at IS NULL
              AND d.next_at <= to_timestamp(%(at_ms)s / 1000::float8)
              AND NOT EXISTS (
                  SELECT FROM delivery_{shard} AS b
                  WHERE b.consumer = d.consumer AND b.donation_id = d.donation_id
                    AND (b.number, b.event_id) < (d.number, d.event_id)
                    AND (b.parked_at IS NOT NULL
                         OR b.next_at > to_timestamp(%(at_ms)s / 1000::float8)))
            ORDER BY d.number, d.event_id LIMIT %(limit)s
            FOR UPDATE OF d
            """
        ),
        {"consumer": consumer, "at_ms": at_ms, "limit": limit},
    )
    rows = await cursor.fetchall()
    return [Delivery(tries=row.pop("tries"), event=Event(**row)) for row in rows]


async def insert_inbox(
    connection: Connection, consumer: str, events: Sequence[Event], at_ms: int
) -> set[UUID]:
    """Note events as had by a consumer; gives those that it had not."""
    cursor = await connection.execute(
        """
        INSERT INTO inbox (consumer, event_id, donor_id, handled_at)
        SELECT %s, event_id, donor_id, to_timestamp(%s / 1000::float8)
        FROM unnest(%s::uuid[], %s::uuid[]) AS new (event_id, donor_id)
        ON CONFLICT DO NOTHING
        RETURNING event_id
        """,
        (
            consumer,
            at_ms,
            arrays.uuids(e.event_id for e in events),
            arrays.uuids(e.donor_id for e in events),
        ),
    )
    return {row["event_id"] for row in await cursor.fetchall()}


async def finish(connection: Connection, consumer: str, done: Sequence[Delivery]) -> None:
    """Take deliveries off the queue; the inbox remembers them."""
    if not done:
        return
    await connection.execute(
        """
        DELETE FROM delivery AS d USING unnest(%s::uuid[], %s::uuid[]) AS done (event_id, donor_id)
        WHERE d.consumer = %s AND d.event_id = done.event_id AND d.donor_id = done.donor_id
        """,
        (
            arrays.uuids(d.event.event_id for d in done),
            arrays.uuids(d.event.donor_id for d in done),
            consumer,
        ),
    )


async def postpone(connection: Connection, consumer: str, failures: Sequence[Failure]) -> None:
    """Try deliveries again later, or park them."""
    if not failures:
        return
    await connection.execute(
        """
        UPDATE delivery AS d
        SET tries = failed.tries, next_at = to_timestamp(failed.next_ms / 1000::float8),
            parked_at = to_timestamp(failed.parked_ms / 1000::float8), failure = failed.error
        FROM unnest(%s::uuid[], %s::uuid[], %s::smallint[], %s::bigint[], %s::bigint[], %s::text[])
             AS failed (event_id, donor_id, tries, next_ms, parked_ms, error)
        WHERE d.consumer = %s AND d.event_id = failed.event_id AND d.donor_id = failed.donor_id
        """,
        (
            arrays.uuids(f.delivery.event.event_id for f in failures),
            arrays.uuids(f.delivery.event.donor_id for f in failures),
            arrays.integers(f.tries for f in failures),
            arrays.integers(f.next_ms for f in failures),
            arrays.integers(f.parked_ms for f in failures),
            arrays.texts(f.error for f in failures),
            consumer,
        ),
    )


async def parked(database: Database, limit: int) -> list[Parked]:
    """Parked deliveries with the kind of their event, the oldest first."""
    rows = await database.fetch_all(
        """
        SELECT d.consumer, d.event_id, d.donation_id, e.kind, d.tries, d.failure AS error,
               (extract(epoch FROM d.parked_at) * 1000)::bigint AS parked_ms
        FROM delivery AS d JOIN event AS e USING (event_id, donor_id)
        WHERE d.parked_at IS NOT NULL ORDER BY d.parked_at LIMIT %s
        """,
        (limit,),
    )
    return [Parked(**row) for row in rows]


async def unpark(
    database: Database, consumer: str | None, event_id: UUID | None, at_ms: int
) -> int:
    """Make parked deliveries due, with all their tries before them again."""
    async with database.connection() as connection:
        cursor = await connection.execute(
            """
            UPDATE delivery
            SET parked_at = NULL, tries = 0, next_at = to_timestamp(%s / 1000::float8)
            WHERE parked_at IS NOT NULL AND (%s::text IS NULL OR consumer = %s)
              AND (%s::uuid IS NULL OR event_id = %s)
            """,
            (at_ms, consumer, consumer, event_id, event_id),
        )
    return cursor.rowcount


async def queue_lengths(database: Database) -> dict[str, tuple[int, int]]:
    """How many deliveries wait and how many are parked, for each consumer that subscribed."""
    rows = await database.fetch_all(
        """
        SELECT s.consumer, count(d.event_id) FILTER (WHERE d.parked_at IS NULL) AS waiting,
               count(d.parked_at) AS parked
        FROM (SELECT DISTINCT consumer FROM event_subscription) AS s
        LEFT JOIN delivery AS d USING (consumer) GROUP BY s.consumer
        """
    )
    return {row["consumer"]: (row["waiting"], row["parked"]) for row in rows}


async def _try_lock(connection: Connection, group: int, number: int) -> bool:
    cursor = await connection.execute(
        "SELECT pg_try_advisory_xact_lock(%s, %s) AS had", (group, number)
    )
    row = await cursor.fetchone()
    return bool(row and row["had"])


def _statement(sql: str) -> Any:
    """Psycopg wants a LiteralString; a partition's number is ours too."""
    return sql
