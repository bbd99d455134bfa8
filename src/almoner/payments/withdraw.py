"""Withdraw attempts that were stamped here and provably never sent."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.payments import queries
from almoner.payments.attempt import Attempt
from almoner.platform.db import Database


async def withdraw(database: Database, attempts: Sequence[Attempt]) -> int:
    """Move what was stamped for them to NOT_SENT; gives how many there were to move.

    Only the request that stamped an attempt may say so, and only of one that it did not send. The
    lease owner of a stamp is its request, so that the attempt of another request with the same
    key, which is being charged, is never meant; whichever number the stamp got does not matter.
    """
    async with database.transaction() as connection:
        return await queries.withdraw_unsent(
            connection, [(a.payable_id, a.donor_id, a.lease_owner) for a in attempts]
        )
