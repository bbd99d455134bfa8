"""Write an attempt down before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.payments import queries
from almoner.payments.attempt import Attempt
from almoner.platform.db import Connection


async def stamp(connection: Connection, attempts: Sequence[Attempt], check_after_ms: int) -> None:
    """Write attempts as DISPATCHED, inside the caller's transaction.

    Preparing and stamping are one commit because the dispatch follows at once. From
    `check_after_ms` after that the resolver may ask the gateway what became of them. Raises
    UniqueViolation when there is a live attempt for the same payable.
    """
    await queries.insert_dispatched(connection, attempts, check_after_ms)
