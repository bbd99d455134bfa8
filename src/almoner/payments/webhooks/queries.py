"""SQL of the webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from almoner.payments.gateway import Seen
from almoner.payments.webhooks.webhook import Waiting, Webhook
from almoner.platform import arrays
from almoner.platform.db import Connection


async def insert(connection: Connection, webhooks: Sequence[Webhook]) -> set[UUID]:
    """Insert webhooks, due at once; gives those that were not there yet."""
    cursor = await connection.execute(
        """
        INSERT INTO webhook (webhook_id, gateway, external_id, kind, claims, order_ids, payload,
                             received_at, next_try_at)
        SELECT webhook_id, gateway, external_id, kind, claims,
               ARRAY(SELECT jsonb_array_elements_text(order_ids::jsonb)), payload, at, at
        FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                    %s::bytea[], %s::bigint[])
             AS new (webhook_id, gateway, external_id, kind, claims, order_ids, payload,
                     received_ms),
             to_timestamp(received_ms / 1000::float8) AS at
        ORDER BY gateway, external_id
        ON CONFLICT (gateway, external_id) DO NOTHING
        RETURNING webhook_id
        """,
        (
            arrays.uuids(w.webhook_id for w in webhooks),
            arrays.texts(w.gateway for w in webhooks),
            arrays.texts(w.external_id for w in webhooks),
            arrays.texts(w.kind for w in webhooks),
            arrays.texts(w.claims for w in webhooks),
            arrays.texts(msgspec.json.encode(w.order_ids).decode() for w in webhooks),
            arrays.byteas(w.payload for w in webhooks),
            arrays.integers(w.received_ms for w in webhooks),
        ),
    )
    return {row["webhook_id"] for row in await cursor.fetchall()}


async def claim(connection: Connection, until_ms: int, limit: int) -> list[Waiting]:
    """Take webhooks that are due, for a while; `tries` counts this time."""
    cursor = await connection.execute(
        """
        WITH due AS (
            SELECT webhook_id FROM webhook
            WHERE processed_at IS NULL AND parked_at IS NULL AND next_try_at <= now()
            ORDER BY next_try_at LIMIT %s FOR UPDATE SKIP LOCKED
        )
        UPDATE webhook AS w
        SET tries = w.tries + 1, next_try_at = to_timestamp(%s / 1000::float8)
        FROM due WHERE w.webhook_id = due.webhook_id
        RETURNING w.webhook_id, w.gateway, w.order_ids, w.claims, w.tries
        """,
        (limit, until_ms),
    )
    return [_waiting(row) for row in await cursor.fetchall()]


async def finish(connection: Connection, webhook_id: UUID, unknown_orders: int) -> None:
    """Write down that a webhook was worked off, and how many of its orders we do not know."""
    await connection.execute(
        """
        UPDATE webhook SET processed_at = now(), unknown_orders = %s
        WHERE webhook_id = %s AND processed_at IS NULL
        """,
        (unknown_orders, webhook_id),
    )


async def wait_longer(connection: Connection, webhook_id: UUID, next_ms: int) -> None:
    """Try again later, without counting this time: nothing went wrong."""
    await connection.execute(
        """
        UPDATE webhook
        SET tries = tries - 1, next_try_at = to_timestamp(%s / 1000::float8)
        WHERE webhook_id = %s AND processed_at IS NULL
        """,
        (next_ms, webhook_id),
    )


async def put_off(connection: Connection, webhook_id: UUID, next_ms: int, *, parked: bool) -> None:
    """Try again later, or, where it was tried too often, when somebody says so."""
    await connection.execute(
        """
        UPDATE webhook
        SET next_try_at = to_timestamp(%s / 1000::float8),
            parked_at = CASE WHEN %s THEN now() END
        WHERE webhook_id = %s AND processed_at IS NULL
        """,
        (next_ms, parked, webhook_id),
    )


async def unpark(connection: Connection, webhook_ids: Sequence[UUID] | None) -> int:
    """Let parked webhooks be tried again, these or all; gives how many."""
    cursor = await connection.execute(
        """
        UPDATE webhook SET parked_at = NULL, tries = 0, next_try_at = now()
        WHERE parked_at IS NOT NULL AND (%s::uuid[] IS NULL OR webhook_id = ANY (%s::uuid[]))
        """,
        (ids := None if webhook_ids is None else arrays.uuids(webhook_ids), ids),
    )
    return cursor.rowcount


async def newest(connection: Connection, limit: int, *, parked_only: bool) -> list[dict[str, Any]]:
    """What came last, without what was in it."""
    cursor = await connection.execute(
        """
        SELECT webhook_id, gateway, external_id, kind, order_ids, tries, unknown_orders,
               received_at, processed_at, parked_at
        FROM webhook WHERE NOT %s OR parked_at IS NOT NULL
        ORDER BY received_at DESC LIMIT %s
        """,
        (parked_only, limit),
    )
    return await cursor.fetchall()


async def delete_old(connection: Connection, days: int, limit: int) -> int:
    """Delete what was worked off so many days ago, a part at a time; gives how many."""
    cursor = await connection.execute(
        """
        DELETE FROM webhook WHERE webhook_id IN (
            SELECT webhook_id FROM webhook
            WHERE received_at < now() - make_interval(days => %s) AND processed_at IS NOT NULL
            ORDER BY received_at LIMIT %s)
        """,
        (days, limit),
    )
    return cursor.rowcount


def _waiting(row: dict[str, Any]) -> Waiting:
    claims = row.pop("claims")
    return Waiting(claims=None if claims is None else Seen(claims), **row)
