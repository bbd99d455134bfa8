"""Withdraw attempts that were stamped here and provably never sent."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from almoner.payments import queries
from almoner.payments.attempt import Attempt
from almoner.platform.db import Database


async def withdraw(database: Database, attempts: Sequence[Attempt], lease_owner: UUID) -> int:
    """Move them to NOT_SENT; gives how many there were to move.

    Only the process that stamped an attempt may say so, and only of one that it did not send.
    """
    async with database.transaction() as connection:
        return await queries.withdraw_unsent(
            connection, [(a.attempt_id, a.donor_id) for a in attempts], lease_owner
        )
