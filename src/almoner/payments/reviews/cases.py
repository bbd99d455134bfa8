"""What people should look at, and all that is known of one attempt."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from almoner.payments.attempt import AttemptRow
from almoner.payments.history import Operation, history
from almoner.payments.record import current
from almoner.payments.returns import queries as return_queries
from almoner.payments.returns.money_return import MoneyReturn
from almoner.payments.reviews import queries
from almoner.payments.reviews.proposal import Proposal, ReviewRefused
from almoner.platform.db import Database


class Case(Struct, frozen=True):
    """An attempt with what was seen, proposed and promised about it.

    `second_transactions` were seen captured beside the one in the books.
    """

    attempt: AttemptRow
    second_transactions: list[str]
    proposals: list[Proposal]
    returns: list[MoneyReturn]
    operations: list[Operation]


async def cases(database: Database) -> list[Case]:
    """Every attempt that people should see, the oldest first, without its operations."""
    async with database.connection() as connection:
        ids = await queries.unusual_attempts(connection)
        if not ids:
            return []
        attempts = await current(connection, ids)
        seconds = await queries.second_transactions(connection, ids)
        proposals = await queries.proposals_of(connection, ids)
        returns = await return_queries.of_attempts(connection, ids)
    return [
        Case(
            attempts[id_],
            seconds.get(id_, []),
            [p for p in proposals if p.attempt_id == id_],
            [r for r in returns if r.attempt_id == id_],
            [],
        )
        for id_ in ids
    ]


async def case_of(database: Database, attempt_id: UUID) -> Case:
    """All that is known of one attempt. Raises ReviewRefused if there is none."""
    async with database.connection() as connection:
        attempt = (await current(connection, [attempt_id])).get(attempt_id)
        if attempt is None:
            raise ReviewRefused("There is no such attempt.")
        seconds = await queries.second_transactions(connection, [attempt_id])
        return Case(
            attempt,
            seconds.get(attempt_id, []),
            await queries.proposals_of(connection, [attempt_id]),
            await return_queries.of_attempts(connection, [attempt_id]),
            await history(connection, attempt_id),
        )
