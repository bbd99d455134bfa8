"""What came by webhook, and letting parked ones be tried again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from almoner.payments.webhooks import queries
from almoner.platform.db import Database


class Received(Struct, frozen=True):
    """A webhook as staff see it. What was in it stays in the database."""

    webhook_id: UUID
    gateway: str
    external_id: str
    kind: str | None
    order_ids: list[str]
    tries: int
    unknown_orders: int | None
    received_at: datetime
    processed_at: datetime | None
    parked_at: datetime | None


async def received(database: Database, limit: int, *, parked_only: bool) -> list[Received]:
    """What came last, the newest first."""
    async with database.connection() as connection:
        rows = await queries.newest(connection, limit, parked_only=parked_only)
    return [Received(**row) for row in rows]


async def try_again(database: Database, webhook_ids: Sequence[UUID] | None) -> int:
    """Let parked webhooks be worked off after all, these or all; gives how many."""
    async with database.connection() as connection:
        return await queries.unpark(connection, webhook_ids)
