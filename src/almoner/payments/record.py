"""Write down what a gateway was seen to have done."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from almoner.payments import queries
from almoner.payments.attempt import AttemptRow
from almoner.payments.outcome import Outcome
from almoner.platform.db import Connection


async def record(connection: Connection, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Apply moves of different attempts, inside the caller's transaction; gives those that moved.

    One that is missing from the answer was moved by somebody else meanwhile: read it again, never
    overwrite it.
    """
    moved = await queries.move_attempts(connection, outcomes)
    done = [outcome for outcome in outcomes if outcome.attempt_id in moved]
    if done:
        await queries.insert_operations(connection, done)
    return moved


async def current(connection: Connection, attempt_ids: Sequence[UUID]) -> dict[UUID, AttemptRow]:
    """The attempts as they stand now."""
    return {row.attempt_id: row for row in await queries.read_attempts(connection, attempt_ids)}
