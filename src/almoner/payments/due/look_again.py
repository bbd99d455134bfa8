"""Look again: something says that an attempt may not be what it is in our books."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from almoner.payments.due import queries
from almoner.payments.queries import read_attempts
from almoner.platform.db import Database


async def look_again(database: Database, attempt_ids: Sequence[UUID]) -> int:
    """Make attempts due for a look-up, whatever their state; gives how many. Raises DatabaseAway.

    It is the evidence of that look-up that may move them.
    """
    async with database.transaction() as connection:
        attempts = await read_attempts(connection, attempt_ids)
        return await queries.make_due_again(
            connection, [(attempt.attempt_id, attempt.donor_id) for attempt in attempts]
        )
