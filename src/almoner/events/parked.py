"""Parked: the events that a consumer could not handle, for people to look at."""

from __future__ import annotations

from uuid import UUID

from almoner.events import queries
from almoner.events.queries import Parked
from almoner.platform.clock import now_ms
from almoner.platform.db import Database


async def parked(database: Database, *, limit: int = 100) -> list[Parked]:
    """The oldest parked events, with the type of the last error. Raises DatabaseAway."""
    return await queries.parked(database, limit)


async def retry(
    database: Database, *, consumer: str | None = None, event_id: UUID | None = None
) -> int:
    """Let parked events be tried again at once; gives how many. Raises DatabaseAway.

    Without a consumer or an event, all of them.
    """
    return await queries.unpark(database, consumer, event_id, now_ms())
