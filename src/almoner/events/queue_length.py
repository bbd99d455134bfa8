"""How much each consumer has still to be told, and what it gave up on."""

from __future__ import annotations

from almoner.events import queries
from almoner.platform.db import Database
from almoner.platform.metrics import DELIVERIES_PARKED, DELIVERIES_WAITING


async def measure(database: Database) -> dict[str, tuple[int, int]]:
    """What waits and what is parked, for each consumer; shown as metrics. Raises DatabaseAway."""
    lengths = await queries.queue_lengths(database)
    for consumer, (waiting, parked) in lengths.items():
        DELIVERIES_WAITING.labels(consumer).set(waiting)
        DELIVERIES_PARKED.labels(consumer).set(parked)
    return lengths
