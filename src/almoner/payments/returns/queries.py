"""SQL of what is to be given back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from almoner.money import Money
from almoner.payments.returns.money_return import MoneyReturn
from almoner.platform import arrays
from almoner.platform.db import Connection

_RETURN: Final = """
    SELECT return_id, attempt_id, donor_id, gateway, gateway_transaction_id, amount_minor, currency,
           reason, request_key, (extract(epoch FROM decided_at) * 1000)::bigint AS decided_ms,
           tries, (extract(epoch FROM done_at) * 1000)::bigint AS done_ms
    FROM money_return
"""


async def insert(connection: Connection, back: MoneyReturn) -> None:
    """Insert a promise, due at once; one that is open for the same transaction stays as it is."""
    await connection.execute(
        """
        INSERT INTO money_return (return_id, attempt_id, donor_id, gateway, gateway_transaction_id,
            amount_minor, currency, reason, request_key, decided_at, next_try_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, to_timestamp(%s / 1000::float8), now())
        ON CONFLICT DO NOTHING
        """,
        (
            back.return_id,
            back.attempt_id,
            back.donor_id,
            back.gateway,
            back.gateway_transaction_id,
            back.money.amount_minor,
            back.money.currency,
            back.reason,
            back.request_key,
            back.decided_ms,
        ),
    )


async def count_done(connection: Connection, attempt_id: UUID) -> int:
    """How many promises of an attempt were kept."""
    cursor = await connection.execute(
        "SELECT count(*) AS done FROM money_return WHERE attempt_id = %s AND done_at IS NOT NULL",
        (attempt_id,),
    )
    row = await cursor.fetchone()
    return int(row["done"]) if row else 0


async def is_promised(connection: Connection, attempt_id: UUID) -> bool:
    """Whether anything of an attempt is promised back and not given back yet."""
    cursor = await connection.execute(
        "SELECT FROM money_return WHERE attempt_id = %s AND done_at IS NULL", (attempt_id,)
    )
    return cursor.rowcount > 0


async def lease(connection: Connection, until_ms: int, limit: int) -> list[MoneyReturn]:
    """Take what is due, for a while; `tries` counts this time."""
    cursor = await connection.execute(
        """
        WITH due AS (
            SELECT return_id FROM money_return WHERE done_at IS NULL AND next_try_at <= now()
            ORDER BY next_try_at LIMIT %s FOR UPDATE SKIP LOCKED
        )
        UPDATE money_return AS m
        SET tries = m.tries + 1, next_try_at = to_timestamp(%s / 1000::float8)
        FROM due WHERE m.return_id = due.return_id
        RETURNING m.return_id
        """,
        (limit, until_ms),
    )
    ids = [row["return_id"] for row in await cursor.fetchall()]
    if not ids:
        return []
    cursor = await connection.execute(
        _RETURN + "WHERE return_id = ANY (%s::uuid[])", (arrays.uuids(ids),)
    )
    return [_money_return(row) for row in await cursor.fetchall()]


async def put_off(connection: Connection, return_id: UUID, next_ms: int) -> None:
    """Try again later."""
    await connection.execute(
        """
        UPDATE money_return SET next_try_at = to_timestamp(%s / 1000::float8)
        WHERE return_id = %s AND done_at IS NULL
        """,
        (next_ms, return_id),
    )


async def finish(connection: Connection, return_id: UUID, kind: str, at_ms: int) -> None:
    """Write down that it was given back."""
    await connection.execute(
        """
        UPDATE money_return SET done_at = to_timestamp(%s / 1000::float8), done_kind = %s
        WHERE return_id = %s AND done_at IS NULL
        """,
        (at_ms, kind, return_id),
    )


async def of_attempts(connection: Connection, attempt_ids: Sequence[UUID]) -> list[MoneyReturn]:
    """What was promised for some attempts, the oldest first."""
    cursor = await connection.execute(
        _RETURN + "WHERE attempt_id = ANY (%s::uuid[]) ORDER BY return_id",
        (arrays.uuids(attempt_ids),),
    )
    return [_money_return(row) for row in await cursor.fetchall()]


async def waiting(connection: Connection) -> list[MoneyReturn]:
    """What was promised and is not done, the oldest first."""
    cursor = await connection.execute(_RETURN + "WHERE done_at IS NULL ORDER BY return_id")
    return [_money_return(row) for row in await cursor.fetchall()]


def _money_return(row: dict[str, Any]) -> MoneyReturn:
    amount_minor, currency = row.pop("amount_minor"), row.pop("currency")
    return MoneyReturn(money=Money(amount_minor, currency), **row)
