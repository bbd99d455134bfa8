"""Twins of `almoner.payments.webhooks.queries`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from uuid import UUID

from msgspec import structs

from almoner.payments.gateway import Seen
from almoner.payments.webhooks.webhook import Waiting, Webhook
from simulation.store.schema import WebhookRow
from simulation.store.transaction import Transaction


async def insert(tx: Transaction, webhooks: Sequence[Webhook]) -> set[UUID]:
    stored = set()
    for webhook in sorted(webhooks, key=lambda w: (w.gateway, w.external_id)):
        row = WebhookRow(
            webhook.webhook_id,
            webhook.gateway,
            webhook.external_id,
            webhook.kind,
            webhook.payload,
            webhook.received_ms,
            None,
            0,
            tuple(webhook.order_ids),
            None if webhook.claims is None else str(webhook.claims),
            webhook.received_ms,
        )
        if await tx.insert(tx.store.schema.webhook, row, skip="webhook_external_id"):
            stored.add(webhook.webhook_id)
    return stored


async def claim(tx: Transaction, until_ms: int, limit: int) -> list[Waiting]:
    table, now_ms = tx.store.schema.webhook, tx.started_ms

    def due(row: WebhookRow) -> bool:
        return (
            row.processed_ms is None
            and row.parked_ms is None
            and row.next_try_ms is not None
            and row.next_try_ms <= now_ms
        )

    rows = sorted((r for r in tx.rows(table) if due(r)), key=lambda r: r.next_try_ms or 0)
    free: list[Hashable] = []
    for row in rows:
        if len(free) < limit and tx.try_lock((table.name, row.webhook_id)):
            free.append(row.webhook_id)
    claimed = await tx.update(
        table, free, due, lambda r: structs.replace(r, tries=r.tries + 1, next_try_ms=until_ms)
    )
    return [
        Waiting(
            row.webhook_id,
            row.gateway,
            list(row.order_ids),
            None if row.claims is None else Seen(row.claims),
            row.tries,
        )
        for row in claimed
    ]


async def finish(tx: Transaction, webhook_id: UUID, unknown_orders: int) -> None:
    now_ms = tx.started_ms
    await tx.update(
        tx.store.schema.webhook,
        [webhook_id],
        lambda r: r.processed_ms is None,
        lambda r: structs.replace(r, processed_ms=now_ms, unknown_orders=unknown_orders),
    )


async def wait_longer(tx: Transaction, webhook_id: UUID, next_ms: int) -> None:
    await tx.update(
        tx.store.schema.webhook,
        [webhook_id],
        lambda r: r.processed_ms is None,
        lambda r: structs.replace(r, tries=r.tries - 1, next_try_ms=next_ms),
    )


async def put_off(tx: Transaction, webhook_id: UUID, next_ms: int, *, parked: bool) -> None:
    now_ms = tx.started_ms
    await tx.update(
        tx.store.schema.webhook,
        [webhook_id],
        lambda r: r.processed_ms is None,
        lambda r: structs.replace(r, next_try_ms=next_ms, parked_ms=now_ms if parked else None),
    )
