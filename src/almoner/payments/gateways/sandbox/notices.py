"""Notices: what the sandbox has to tell by webhook, in a durable queue of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from almoner.platform import arrays
from almoner.platform.db import Connection
from almoner.platform.ids import new_id

ORDERS_MAX: Final = 100
"""Orders that one notice names at most; a batch that settles makes several notices."""

KEPT_DAYS: Final = 7
_LEASE_S: Final = 300


class Queued(Struct, frozen=True):
    """A notice that is due.

    `fault` is what goes wrong when it is sent; it was `drawn` when that has been decided.
    """

    notice_id: int
    event_id: str
    kind: str
    order_ids: list[str]
    happened_ms: int
    tries: int
    fault: str | None
    drawn: bool


async def queue(
    connection: Connection,
    kind: str,
    order_ids: Sequence[str],
    *,
    in_ms: int = 0,
    fault: str | None = None,
) -> None:
    """Queue notices about these orders, inside the transaction of what happened.

    `in_ms`: it happens only then. `fault`: what goes wrong when it is sent.
    """
    for start in range(0, len(order_ids), ORDERS_MAX):
        await connection.execute(
            """
            INSERT INTO sandbox_notice (event_id, kind, order_ids, happened_at, due_at, fault)
            SELECT %s, %s, %s::text[], at, at, %s
            FROM (SELECT clock_timestamp() + %s * interval '1 millisecond' AS at) AS due
            """,
            (
                f"ev_{new_id().hex}",
                kind,
                arrays.texts(order_ids[start : start + ORDERS_MAX]),
                fault,
                in_ms,
            ),
        )


async def claim(connection: Connection, limit: int) -> list[Queued]:
    """Take notices that are due, the oldest first.

    Each counts one try and is out of others' way for five minutes; whoever dies with it only
    delays it.
    """
    cursor = await connection.execute(
        """
        WITH due AS (
            SELECT notice_id FROM sandbox_notice
            WHERE ended_at IS NULL AND due_at <= clock_timestamp()
            ORDER BY due_at, notice_id LIMIT %s FOR UPDATE SKIP LOCKED
        )
        UPDATE sandbox_notice AS n
        SET tries = n.tries + 1, due_at = clock_timestamp() + %s * interval '1 second'
        FROM due WHERE n.notice_id = due.notice_id
        RETURNING n.notice_id, event_id, kind, order_ids, fault, drawn, tries,
                  (extract(epoch FROM happened_at) * 1000)::bigint AS happened_ms
        """,
        (limit, _LEASE_S),
    )
    rows = await cursor.fetchall()
    return [Queued(**row) for row in sorted(rows, key=lambda row: row["notice_id"])]


async def put_off(connection: Connection, notice_id: int, in_ms: int, fault: str | None) -> None:
    """Send it later. Its fault has been decided, and is remembered."""
    await connection.execute(
        "UPDATE sandbox_notice SET due_at = clock_timestamp() + %s * interval '1 millisecond', "
        "fault = %s, drawn = true WHERE notice_id = %s",
        (in_ms, fault, notice_id),
    )


async def end(connection: Connection, notice_id: int, outcome: str) -> None:
    """It was told, lost, or given up."""
    await connection.execute(
        "UPDATE sandbox_notice SET ended_at = clock_timestamp(), outcome = %s WHERE notice_id = %s",
        (outcome, notice_id),
    )


async def release_overtaken(
    connection: Connection, order_ids: Sequence[str], fault: str, notice_id: int
) -> None:
    """Let notices go that were held until another about the same order has overtaken them."""
    await connection.execute(
        "UPDATE sandbox_notice SET due_at = clock_timestamp() WHERE ended_at IS NULL AND drawn "
        "AND fault = %s AND notice_id < %s AND order_ids && %s::text[]",
        (fault, notice_id, arrays.texts(order_ids)),
    )


async def forget_old(connection: Connection) -> None:
    """Remove what was told, lost or given up a week ago."""
    await connection.execute(
        "DELETE FROM sandbox_notice WHERE ended_at < clock_timestamp() - %s * interval '1 day'",
        (KEPT_DAYS,),
    )
