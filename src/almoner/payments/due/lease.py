"""Lease attempts: take over what is due, so that nobody else works on it meanwhile.

Whoever held an attempt before can no longer move it: the lease epoch has gone up.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from almoner.payments.attempt import AttemptRow
from almoner.payments.due import queries
from almoner.platform.clock import now_ms
from almoner.platform.db import Database

LEASE_MS: Final = 90_000
"""Longer than any look-up may take, so that nobody looks at the same attempt meanwhile."""

PREPARED_MS: Final = 600_000
"""How long an attempt may stay PREPARED, where nobody said otherwise."""


async def lease_to_look_up(
    database: Database, lease_owner: UUID, limit: int, refusing: list[str]
) -> list[AttemptRow]:
    """Attempts to ask the gateway about, but not those of gateways that refuse to be asked.

    Those in doubt first; what room is left goes to those whose state is final.
    """
    until_ms = now_ms() + LEASE_MS
    async with database.transaction() as connection:
        due = await queries.lease_in_doubt(connection, lease_owner, until_ms, limit, refusing)
        if room := limit - len(due):
            due += await queries.lease_look_again(connection, lease_owner, until_ms, room, refusing)
    return due


async def lease_late(database: Database, lease_owner: UUID, limit: int) -> list[AttemptRow]:
    """Late money that somebody must decide about."""
    async with database.transaction() as connection:
        return await queries.lease_late(connection, lease_owner, now_ms() + LEASE_MS, limit)


async def lease_prepared(database: Database, lease_owner: UUID, limit: int) -> list[AttemptRow]:
    """Attempts that were written down and never stamped, and whose time is over."""
    at_ms = now_ms()
    async with database.transaction() as connection:
        await queries.give_time_to_prepared(connection, at_ms + PREPARED_MS)
        return await queries.lease_prepared(connection, lease_owner, at_ms + LEASE_MS, limit)
