"""Notices: what the sandbox has to tell by webhook, in a durable queue of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from almoner.platform import arrays
from almoner.platform.db import Connection
from almoner.platform.ids import new_id

ORDERS_MAX: Final = 100
"""Orders that one notice names at most; a batch that settles makes several notices."""


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
