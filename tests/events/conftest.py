"""A database with an outbox, and somebody who hears."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid4

import psycopg
import pytest

from almoner.events.event import Event
from almoner.events.outbox import tell
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.ids import new_id
from events.recorder import TABLE

Tell = Callable[..., Awaitable[list[UUID]]]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool of connections, and the recorder's table."""
    with psycopg.connect(database_url) as connection:
        connection.execute(TABLE)
    opened = Database(database_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def tells(database: Database) -> Tell:
    """Writes `steps` events for each of `donations` new donations; gives the donations."""

    async def write(
        donations: int = 1, *, steps: int = 1, donor_id: UUID | None = None
    ) -> list[UUID]:
        made = [(uuid4(), donor_id or uuid4()) for _ in range(donations)]
        for step in range(steps):
            async with database.transaction() as connection:
                await tell(connection, [event(d, donor, step) for d, donor in made])
        return [donation_id for donation_id, _ in made]

    return write


def event(donation_id: UUID, donor_id: UUID, step: int) -> Event:
    """An event that the recorder can read. Times are out of order: nobody may rely on them."""
    return Event(
        new_id(), donor_id, donation_id, "donation.paid", {"step": step}, now_ms() - 1000 * step
    )
