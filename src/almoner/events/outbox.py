"""The outbox: what happened, told in the transaction in which it happened."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.events import queries
from almoner.events.event import Event
from almoner.platform.db import Connection


async def tell(connection: Connection, events: Sequence[Event]) -> None:
    """Put events into the outbox, inside the caller's transaction."""
    await queries.insert(connection, events)
