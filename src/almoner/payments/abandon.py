"""Write down attempts that are given up before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.payments import queries
from almoner.payments.attempt import Attempt
from almoner.platform.db import Connection


async def abandon(
    connection: Connection, attempts: Sequence[tuple[Attempt, str]], at_ms: int
) -> None:
    """Write attempts, each with its decline code, as ABANDONED, inside the caller's transaction.

    They begin as PREPARED, as the database asks, and nobody else ever sees them so.
    """
    await queries.insert_prepared(connection, [attempt for attempt, _ in attempts])
    await queries.abandon_prepared(connection, attempts, at_ms)
