"""Remember who gives: one donor row for each mail address."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.donors import queries
from almoner.donors.donor import Donor
from almoner.platform.db import Connection


async def remember(connection: Connection, donors: Sequence[Donor]) -> None:
    """Store those that are new, inside the caller's transaction."""
    await queries.insert_new(connection, donors)
