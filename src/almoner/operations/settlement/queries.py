"""SQL of payouts and their lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.errors import UniqueViolation

from almoner.money import Money
from almoner.payments.gateway import Payout, SettledCharge
from almoner.platform import arrays
from almoner.platform.db import Connection, Database


class Line(Struct, frozen=True):
    """One line of a payout, numbered from 1. `fee_minor` is what the gateway kept of `money`."""

    gateway: str
    payout_id: str
    line: int
    order_id: str
    gateway_transaction_id: str
    money: Money
    fee_minor: int


async def insert_payout(
    connection: Connection, gateway: str, payout: Payout, source_id: UUID, counts: tuple[int, int]
) -> bool:
    """Insert a payout that is not there yet; gives whether it was new.

    `counts` are the number of its lines, and the time in milliseconds since 1970.
    """
    lines, at_ms = counts
    cursor = await connection.execute(
        """
        INSERT INTO payout (gateway, payout_id, currency, net_minor, paid_at, lines, source_id,
                            received_at)
        VALUES (%s, %s, %s, %s, to_timestamp(%s / 1000::float8), %s, %s,
                to_timestamp(%s / 1000::float8))
        ON CONFLICT DO NOTHING
        """,
        (
            gateway,
            payout.payout_id,
            payout.currency,
            payout.net_minor,
            payout.paid_ms,
            lines,
            source_id,
            at_ms,
        ),
    )
    return cursor.rowcount == 1


async def insert_lines(
    connection: Connection, gateway: str, payout: Payout, charges: Sequence[SettledCharge]
) -> None:
    """Insert the lines of a payout in the order of the report."""
    await connection.execute(
        """
        INSERT INTO settlement_line (gateway, payout_id, line, order_id, gateway_transaction_id,
                                     amount_minor, currency, fee_minor)
        SELECT %s, %s, line, order_id, transaction_id, amount_minor, currency, fee_minor
        FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::bigint[])
             WITH ORDINALITY
             AS new (order_id, transaction_id, amount_minor, currency, fee_minor, line)
        """,
        (
            gateway,
            payout.payout_id,
            arrays.texts(c.order_id for c in charges),
            arrays.texts(c.gateway_transaction_id for c in charges),
            arrays.integers(c.money.amount_minor for c in charges),
            arrays.texts(c.money.currency for c in charges),
            arrays.integers(c.fee_minor for c in charges),
        ),
    )


async def read_payout(
    connection: Connection, gateway: str, payout_id: str
) -> tuple[str, int, list[Line]]:
    """Currency, net amount in minor units, and lines of a payout that is there."""
    cursor = await connection.execute(
        "SELECT currency, net_minor FROM payout WHERE gateway = %s AND payout_id = %s",
        (gateway, payout_id),
    )
    payout = (await cursor.fetchall())[0]
    cursor = await connection.execute(
        """
        SELECT gateway, payout_id, line, order_id, gateway_transaction_id, amount_minor, currency,
               fee_minor
        FROM settlement_line WHERE gateway = %s AND payout_id = %s ORDER BY line
        """,
        (gateway, payout_id),
    )
    return payout["currency"], payout["net_minor"], [_line(r) for r in await cursor.fetchall()]


async def last_received(database: Database, gateway: str) -> str:
    """The id of the payout that was received last; empty when there is none."""
    row = await database.fetch_one(
        "SELECT payout_id FROM payout WHERE gateway = %s ORDER BY received_number DESC LIMIT 1",
        (gateway,),
    )
    return str(row["payout_id"]) if row else ""


async def last_paid_before(database: Database, gateway: str, at_ms: int) -> str:
    """The id of the last payout that was paid before a time; empty when there is none."""
    row = await database.fetch_one(
        """
        SELECT payout_id FROM payout
        WHERE gateway = %s AND paid_at < to_timestamp(%s / 1000::float8)
        ORDER BY paid_at DESC, received_number DESC LIMIT 1
        """,
        (gateway, at_ms),
    )
    return str(row["payout_id"]) if row else ""


async def open_lines(
    database: Database, gateway: str, after: tuple[str, int], limit: int
) -> list[Line]:
    """Lines that are not in the books yet, by payout and number, behind the given one."""
    rows = await database.fetch_all(
        """
        SELECT gateway, payout_id, line, order_id, gateway_transaction_id, amount_minor, currency,
               fee_minor
        FROM settlement_line
        WHERE gateway = %s AND settled_at IS NULL AND (payout_id, line) > (%s, %s)
        ORDER BY payout_id, line LIMIT %s
        """,
        (gateway, *after, limit),
    )
    return [_line(row) for row in rows]


async def paid_out(connection: Connection, gateway: str, order_ids: Sequence[str]) -> set[str]:
    """Of some order ids those that a line has settled."""
    cursor = await connection.execute(
        """
        SELECT order_id FROM settlement_line
        WHERE gateway = %s AND order_id = ANY (%s::text[]) AND settled_at IS NOT NULL
        """,
        (gateway, arrays.texts(order_ids)),
    )
    return {row["order_id"] for row in await cursor.fetchall()}


async def fees(connection: Connection, attempt_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The fees that are posted, in minor units, by attempt."""
    cursor = await connection.execute(
        """
        SELECT source_id, amount_minor FROM ledger_entry
        WHERE source_id = ANY (%s::uuid[]) AND source_kind = 'fee' AND leg = 1
        """,
        (arrays.uuids(attempt_ids),),
    )
    return {row["source_id"]: row["amount_minor"] for row in await cursor.fetchall()}


async def mark_settled(database: Database, lines: Sequence[Line], at_ms: int) -> bool:
    """See lines as done.

    False, and nothing done, when somebody else has just settled one of these charges by another
    line.
    """
    try:
        async with database.transaction() as connection:
            await connection.execute(
                """
                UPDATE settlement_line AS l SET settled_at = to_timestamp(%s / 1000::float8)
                FROM unnest(%s::text[], %s::text[], %s::int[]) AS done (gateway, payout_id, line)
                WHERE l.gateway = done.gateway AND l.payout_id = done.payout_id
                  AND l.line = done.line AND l.settled_at IS NULL
                """,
                (
                    at_ms,
                    arrays.texts(line.gateway for line in lines),
                    arrays.texts(line.payout_id for line in lines),
                    arrays.integers(line.line for line in lines),
                ),
            )
    except UniqueViolation:
        return False
    return True


def _line(row: dict[str, Any]) -> Line:
    amount_minor, currency = row.pop("amount_minor"), row.pop("currency")
    return Line(money=Money(amount_minor, currency), **row)
