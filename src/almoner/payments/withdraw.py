"""Withdraw attempts that were stamped for a request and provably never sent."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.payments import queries
from almoner.payments.attempt import Attempt
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.ids import new_id


async def withdraw(database: Database, attempts: Sequence[Attempt]) -> int:
    """Move what was stamped for them to NOT_SENT; gives how many there were to move.

    Only the request that stamped an attempt may say so, and only of one that it did not send. The
    lease owner of a stamp is its request, so that the attempt of another request with the same
    key, which is being charged, is never meant; whichever number the stamp got does not matter.
    """
    operation_ids = [new_id() for _ in attempts]
    async with database.transaction() as connection:
        return await queries.withdraw_unsent(connection, attempts, operation_ids, now_ms())
