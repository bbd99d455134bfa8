"""Twins of `almoner.events.queries`."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.events.event import Event
from simulation.store.schema import EventRow
from simulation.store.transaction import Transaction


async def insert(tx: Transaction, events: Sequence[Event]) -> None:
    for event in events:
        row = EventRow(
            event.event_id,
            event.donor_id,
            event.donation_id,
            event.kind,
            event.payload,
            event.occurred_ms,
        )
        await tx.insert(tx.store.schema.event, row)
