"""The inbox: what each consumer has had."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.events import queries
from almoner.events.event import Event
from almoner.platform.clock import now_ms
from almoner.platform.db import Connection


async def take(connection: Connection, consumer: str, events: Sequence[Event]) -> list[Event]:
    """Note events as had, inside the transaction of their effect; gives those that are new."""
    new = await queries.insert_inbox(connection, consumer, events, now_ms())
    return [event for event in events if event.event_id in new]
