"""Twins of `almoner.events.queries`."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID

from msgspec import structs

from almoner.events.event import Event
from almoner.events.queries import Delivery, Failure
from almoner.platform.shards import SHARDS
from simulation.store.schema import DeliveryRow, EventRow, InboxRow, SubscriptionRow
from simulation.store.shards import shard_of
from simulation.store.transaction import Transaction

_RELAY: Final = 0x414C4D52


async def insert(tx: Transaction, events: Sequence[Event]) -> None:
    for event in events:
        tx.store.event_number += 1
        row = EventRow(
            event.event_id,
            event.donor_id,
            event.donation_id,
            event.kind,
            event.payload,
            event.occurred_ms,
            None,
            tx.store.event_number,
        )
        await tx.insert(tx.store.schema.event, row)


async def subscriptions(tx: Transaction) -> dict[str, set[str]]:
    known: dict[str, set[str]] = {}
    for row in tx.rows(tx.store.schema.subscription):
        known.setdefault(row.consumer, set()).add(row.kind)
    return known


async def lock_all_shards(tx: Transaction) -> None:
    for shard in range(SHARDS):
        await tx.lock(("advisory", (_RELAY, shard)))


async def subscribe(tx: Transaction, consumer: str, kinds: Sequence[str], at_ms: int) -> None:
    for kind in kinds:
        row = SubscriptionRow(consumer, kind, at_ms)
        await tx.insert(tx.store.schema.subscription, row, skip=True)


async def deliver_the_past(
    tx: Transaction, consumer: str, kinds: Sequence[str], at_ms: int
) -> None:
    schema = tx.store.schema
    for event in tx.rows(schema.event):
        if event.kind in kinds and event.published_ms is not None:
            await tx.insert(schema.delivery, _delivery(consumer, event, at_ms), skip=True)


async def shards_with_unpublished(tx: Transaction) -> list[int]:
    waiting = [r for r in tx.rows(tx.store.schema.event) if r.published_ms is None]
    return sorted({shard_of(row.donor_id) for row in waiting})


async def lock_shard(tx: Transaction, shard: int) -> bool:
    return tx.try_lock(("advisory", (_RELAY, shard)))


async def publish(tx: Transaction, shard: int, limit: int, at_ms: int) -> dict[str, int]:
    schema = tx.store.schema
    waiting = [
        row
        for row in tx.rows(schema.event)
        if row.published_ms is None and shard_of(row.donor_id) == shard
    ]
    oldest = sorted(waiting, key=lambda r: (r.number or 0, r.event_id))[:limit]
    locked = [r for r in oldest if tx.try_lock(("event", (r.event_id, r.donor_id)))]
    missed = {row.donation_id for row in oldest if row not in locked}
    claimed = [row for row in locked if row.donation_id not in missed]
    kinds: Counter[str] = Counter()
    for event in claimed:
        for told in sorted(tx.rows(schema.subscription), key=lambda r: (r.consumer, r.kind)):
            if told.kind == event.kind:
                await tx.insert(schema.delivery, _delivery(told.consumer, event, at_ms), skip=True)
        done = await tx.update(
            schema.event,
            [(event.event_id, event.donor_id)],
            lambda _: True,
            lambda r: structs.replace(r, published_ms=at_ms),
        )
        kinds.update(row.kind for row in done)
    return kinds


async def shards_with_due(tx: Transaction, consumer: str, at_ms: int) -> list[int]:
    due_now = [
        row
        for row in tx.rows(tx.store.schema.delivery)
        if row.consumer == consumer and row.parked_ms is None and row.next_ms <= at_ms
    ]
    return sorted({shard_of(row.donor_id) for row in due_now})


async def lock_deliveries(tx: Transaction, consumer: str, shard: int) -> bool:
    return tx.try_lock(("advisory", (zlib.crc32(consumer.encode()) - (1 << 31), shard)))


async def due(tx: Transaction, shard: int, consumer: str, at_ms: int, limit: int) -> list[Delivery]:
    schema = tx.store.schema
    mine = [
        row
        for row in tx.rows(schema.delivery)
        if row.consumer == consumer and shard_of(row.donor_id) == shard
    ]
    mine.sort(key=lambda r: (r.number, r.event_id))
    held_back: set[UUID] = set()
    found: list[DeliveryRow] = []
    for row in mine:
        if row.parked_ms is not None or row.next_ms > at_ms:
            held_back.add(row.donation_id)
        elif row.donation_id not in held_back and len(found) < limit:
            found.append(row)
    deliveries = []
    for row in found:
        await tx.lock(("delivery", schema.delivery.key(row)))
        event = tx.get(schema.event, (row.event_id, row.donor_id))
        if event is not None:
            deliveries.append(
                Delivery(
                    Event(
                        event.event_id,
                        event.donor_id,
                        event.donation_id,
                        event.kind,
                        event.payload,
                        event.occurred_ms,
                    ),
                    row.tries,
                )
            )
    return deliveries


async def insert_inbox(
    tx: Transaction, consumer: str, events: Sequence[Event], at_ms: int
) -> set[UUID]:
    new = set()
    for event in events:
        row = InboxRow(consumer, event.event_id, event.donor_id, at_ms)
        if await tx.insert(tx.store.schema.inbox, row, skip=True):
            new.add(event.event_id)
    return new


async def finish(tx: Transaction, consumer: str, done: Sequence[Delivery]) -> None:
    keys = [(d.event.event_id, consumer, d.event.donor_id) for d in done]
    table = tx.store.schema.delivery
    await tx.delete(table, [key for key in keys if tx.get(table, key) is not None])


async def postpone(tx: Transaction, consumer: str, failures: Sequence[Failure]) -> None:
    for failure in failures:
        event = failure.delivery.event
        await tx.update(
            tx.store.schema.delivery,
            [(event.event_id, consumer, event.donor_id)],
            lambda _: True,
            partial(_failed, failure),
        )


def _delivery(consumer: str, event: EventRow, at_ms: int) -> DeliveryRow:
    return DeliveryRow(
        consumer, event.event_id, event.donor_id, event.donation_id, event.number or 0, 0, at_ms
    )


def _failed(failure: Failure, row: DeliveryRow) -> DeliveryRow:
    return structs.replace(
        row,
        tries=failure.tries,
        next_ms=failure.next_ms,
        parked_ms=failure.parked_ms,
        failure=failure.error,
    )
