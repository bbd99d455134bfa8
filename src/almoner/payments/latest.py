"""The newest attempt for each of some payables."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from almoner.payments import queries
from almoner.payments.attempt import AttemptRow
from almoner.platform.db import Connection


async def latest(
    connection: Connection, payables: Sequence[tuple[UUID, UUID]]
) -> dict[UUID, AttemptRow]:
    """By payable id; each payable comes with its donor's id, which names its partition."""
    return await queries.latest_attempts(connection, payables) if payables else {}


async def all_for(connection: Connection, payable_id: UUID, donor_id: UUID) -> list[AttemptRow]:
    """All attempts for one payable, the first one first."""
    return await queries.attempts_for(connection, payable_id, donor_id)
