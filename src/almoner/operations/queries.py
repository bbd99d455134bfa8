"""SQL of the match with the gateway.

It reads every feature's tables on purpose, and shares no code with what writes them: a check that
used the same code would repeat its mistakes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from msgspec import Struct

from almoner.money import Money
from almoner.platform import arrays
from almoner.platform.db import Database


class AuditedAttempt(Struct, frozen=True):
    """What the match with the gateway compares."""

    order_id: str
    state: str
    gateway_transaction_id: str | None
    money: Money


async def attempts_by_order(database: Database, gateway: str) -> AsyncIterator[AuditedAttempt]:
    """All attempts through a gateway by ascending order id, a few thousand at a time."""
    last = UUID(int=0)
    while rows := await database.fetch_all(
        """
        SELECT attempt_id, state, gateway_transaction_id, amount_minor, currency
        FROM payment_attempt WHERE gateway = %s AND attempt_id > %s
        ORDER BY attempt_id LIMIT 5000
        """,
        (gateway, last),
    ):
        for row in rows:
            yield AuditedAttempt(
                row["attempt_id"].hex,
                row["state"],
                row["gateway_transaction_id"],
                Money(row["amount_minor"], row["currency"]),
            )
        last = rows[-1]["attempt_id"]


async def attempts_of(database: Database, order_ids: list[str]) -> dict[str, AuditedAttempt]:
    """Some attempts, read again."""
    rows = await database.fetch_all(
        """
        SELECT attempt_id, state, gateway_transaction_id, amount_minor, currency
        FROM payment_attempt WHERE attempt_id = ANY (%s::uuid[])
        """,
        (arrays.uuids(UUID(order_id) for order_id in order_ids),),
    )
    return {
        row["attempt_id"].hex: AuditedAttempt(
            row["attempt_id"].hex,
            row["state"],
            row["gateway_transaction_id"],
            Money(row["amount_minor"], row["currency"]),
        )
        for row in rows
    }
