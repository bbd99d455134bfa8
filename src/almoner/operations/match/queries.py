"""SQL of the match.

It reads every feature's tables on purpose, and shares no code with what writes them: a check that
used the same code would repeat its mistakes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from almoner.money import Money
from almoner.operations.match.difference import Difference, Kind
from almoner.platform import arrays
from almoner.platform.db import Database


class AuditedAttempt(Struct, frozen=True):
    """What the match with the gateway compares."""

    order_id: str
    donation_id: UUID
    state: str
    gateway_transaction_id: str | None
    money: Money


class OpenDifference(Struct, frozen=True):
    """A difference that was seen and is not gone. Times are milliseconds since 1970."""

    gateway: str
    kind: str
    subject: str
    detail: dict[str, Any]
    first_seen_ms: int
    last_seen_ms: int


_ATTEMPT = """
    SELECT attempt_id, payable_id, state, gateway_transaction_id, amount_minor, currency
    FROM payment_attempt
"""


async def attempts_by_order(database: Database, gateway: str) -> AsyncIterator[AuditedAttempt]:
    """All attempts through a gateway by ascending order id, a few thousand at a time."""
    last = UUID(int=0)
    while rows := await database.fetch_all(
        _ATTEMPT + "WHERE gateway = %s AND attempt_id > %s ORDER BY attempt_id LIMIT 5000",
        (gateway, last),
    ):
        for row in rows:
            yield _attempt(row)
        last = rows[-1]["attempt_id"]


async def attempts_of(database: Database, order_ids: Sequence[UUID]) -> dict[str, AuditedAttempt]:
    """Some attempts, read again, by order id."""
    rows = await database.fetch_all(
        _ATTEMPT + "WHERE attempt_id = ANY (%s::uuid[])", (arrays.uuids(order_ids),)
    )
    return {row["attempt_id"].hex: _attempt(row) for row in rows}


async def paid_otherwise(database: Database, attempt_ids: Sequence[UUID]) -> set[str]:
    """Of some attempts those whose donation another attempt has paid, or may have; by order id."""
    rows = await database.fetch_all(
        """
        SELECT a.attempt_id FROM payment_attempt AS a
        WHERE a.attempt_id = ANY (%s::uuid[]) AND EXISTS (
            SELECT FROM payment_attempt AS other
            WHERE other.payable_id = a.payable_id AND other.donor_id = a.donor_id
              AND other.attempt_id <> a.attempt_id
              AND other.state IN ('SUBMITTED', 'SETTLED', 'DISPUTED', 'LATE_SUCCESS'))
        """,
        (arrays.uuids(attempt_ids),),
    )
    return {row["attempt_id"].hex for row in rows}


async def left_alone(database: Database, order_ids: Sequence[str]) -> dict[str, str]:
    """Charges that a rebuild after a restore came across and left alone, with its reason."""
    rows = await database.fetch_all(
        "SELECT order_id, reason FROM recovered_charge "
        "WHERE became IN ('left_alone', 'released') AND order_id = ANY (%s::text[])",
        (arrays.texts(order_ids),),
    )
    return {row["order_id"]: row["reason"] for row in rows}


async def not_paid_out(
    database: Database, gateway: str, before_ms: int, limit: int
) -> list[Difference]:
    """Captures from before a time that no payout has."""
    rows = await database.fetch_all(
        """
        SELECT a.attempt_id, a.state, a.amount_minor, a.currency FROM payment_attempt AS a
        WHERE a.gateway = %s AND a.state IN ('SUBMITTED', 'SETTLED', 'DISPUTED')
          AND a.dispatched_at < to_timestamp(%s / 1000::float8)
          AND NOT EXISTS (
              SELECT FROM settlement_line AS l
              WHERE l.gateway = a.gateway AND l.settled_at IS NOT NULL
                AND l.order_id = replace(a.attempt_id::text, '-', ''))
        LIMIT %s
        """,
        (gateway, before_ms, limit),
    )
    return [
        Difference(
            Kind.NOT_PAID_OUT,
            row["attempt_id"].hex,
            {name: row[name] for name in ("state", "amount_minor", "currency")},
        )
        for row in rows
    ]


async def payouts_apart(database: Database, gateway: str) -> list[Difference]:
    """Payouts whose lines do not add up to what arrived."""
    rows = await database.fetch_all(
        """
        SELECT p.payout_id, p.currency, p.net_minor,
               coalesce(sum(l.amount_minor - l.fee_minor)
                        FILTER (WHERE l.currency = p.currency), 0)::bigint AS lines_minor
        FROM payout AS p LEFT JOIN settlement_line AS l USING (gateway, payout_id)
        WHERE p.gateway = %s
        GROUP BY p.gateway, p.payout_id, p.currency, p.net_minor, p.lines
        HAVING p.net_minor <> coalesce(sum(l.amount_minor - l.fee_minor)
                                       FILTER (WHERE l.currency = p.currency), 0)
            OR count(*) FILTER (WHERE l.currency <> p.currency) > 0
        """,
        (gateway,),
    )
    return [
        Difference(
            Kind.PAYOUT_SUM_DIFFERS,
            row["payout_id"],
            {name: row[name] for name in ("net_minor", "lines_minor", "currency")},
        )
        for row in rows
    ]


async def upsert(
    database: Database, gateway: str, found: Sequence[Difference], at_ms: int
) -> list[Difference]:
    """Keep differences; gives those that were not open before."""
    async with database.connection() as connection:
        cursor = await connection.execute(
            """
            INSERT INTO match_difference AS d (gateway, class, subject, detail, first_seen_at,
                                               last_seen_at)
            SELECT DISTINCT ON (class, subject) %s, class, subject, detail::jsonb, at, at
            FROM unnest(%s::text[], %s::text[], %s::text[]) AS new (class, subject, detail),
                 to_timestamp(%s / 1000::float8) AS at
            ORDER BY class, subject
            ON CONFLICT (gateway, class, subject) DO UPDATE
            SET detail = excluded.detail, last_seen_at = excluded.last_seen_at, resolved_at = NULL,
                first_seen_at = CASE WHEN d.resolved_at IS NULL THEN d.first_seen_at
                                     ELSE excluded.first_seen_at END
            RETURNING class, subject, detail, first_seen_at = last_seen_at AS new
            """,
            (
                gateway,
                arrays.texts(d.kind for d in found),
                arrays.texts(d.subject for d in found),
                arrays.texts(msgspec.json.encode(d.detail).decode() for d in found),
                at_ms,
            ),
        )
        rows = await cursor.fetchall()
    return [
        Difference(Kind(row["class"]), row["subject"], row["detail"]) for row in rows if row["new"]
    ]


async def resolve(database: Database, gateway: str, kinds: Iterable[Kind], at_ms: int) -> None:
    """See differences of these kinds as mended that were not found again just now."""
    async with database.connection() as connection:
        await connection.execute(
            """
            UPDATE match_difference SET resolved_at = to_timestamp(%(at_ms)s / 1000::float8)
            WHERE gateway = %(gateway)s AND class = ANY (%(kinds)s::text[]) AND resolved_at IS NULL
              AND last_seen_at < to_timestamp(%(at_ms)s / 1000::float8)
            """,
            {"gateway": gateway, "kinds": arrays.texts(kinds), "at_ms": at_ms},
        )


async def open_differences(database: Database) -> list[OpenDifference]:
    """All that are open, the oldest first."""
    rows = await database.fetch_all(
        """
        SELECT gateway, class AS kind, subject, detail,
               (extract(epoch FROM first_seen_at) * 1000)::bigint AS first_seen_ms,
               (extract(epoch FROM last_seen_at) * 1000)::bigint AS last_seen_ms
        FROM match_difference WHERE resolved_at IS NULL
        ORDER BY first_seen_at, class, subject
        """
    )
    return [OpenDifference(**row) for row in rows]


async def count_open(database: Database) -> dict[str, int]:
    """How many are open, of each kind."""
    rows = await database.fetch_all(
        "SELECT class, count(*) AS n FROM match_difference WHERE resolved_at IS NULL GROUP BY class"
    )
    return {row["class"]: row["n"] for row in rows}


async def claim_run(
    database: Database, run: tuple[UUID, str, str], at_ms: int, every_ms: int, lease_ms: int
) -> bool:
    """Begin a run `(id, kind, gateway)`, unless one began less than `every_ms` ago.

    One that began and did not end keeps others away for `lease_ms` only: its worker has died.
    """
    run_id, kind, gateway = run
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('almoner match run'))")
        cursor = await connection.execute(
            """
            INSERT INTO match_run (run_id, kind, gateway, started_at)
            SELECT %(run_id)s, %(kind)s, %(gateway)s, to_timestamp(%(at_ms)s / 1000::float8)
            WHERE NOT EXISTS (
                SELECT FROM match_run WHERE kind = %(kind)s AND gateway = %(gateway)s
                AND started_at > to_timestamp((%(at_ms)s - CASE WHEN finished_at IS NULL
                    THEN %(lease_ms)s ELSE %(every_ms)s END) / 1000::float8))
            """,
            {
                "run_id": run_id,
                "kind": kind,
                "gateway": gateway,
                "at_ms": at_ms,
                "every_ms": every_ms,
                "lease_ms": lease_ms,
            },
        )
    return cursor.rowcount == 1


async def finish_run(
    database: Database, run_id: UUID, counts: tuple[int, int, int], at_ms: int
) -> None:
    """Write down the end of a run: what matched, what is open, what is different."""
    async with database.connection() as connection:
        await connection.execute(
            """
            UPDATE match_run SET finished_at = to_timestamp(%s / 1000::float8), matched = %s,
                                 open = %s, differences = %s
            WHERE run_id = %s
            """,
            (at_ms, *counts, run_id),
        )


async def drop_run(database: Database, run_id: UUID) -> None:
    """Forget a run that failed."""
    async with database.connection() as connection:
        await connection.execute("DELETE FROM match_run WHERE run_id = %s", (run_id,))


def _attempt(row: dict[str, Any]) -> AuditedAttempt:
    return AuditedAttempt(
        row["attempt_id"].hex,
        row["payable_id"],
        row["state"],
        row["gateway_transaction_id"],
        Money(row["amount_minor"], row["currency"]),
    )
