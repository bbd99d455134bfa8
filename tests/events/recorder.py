"""A consumer that writes down what it hears, as a real one would."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import psycopg

from almoner.events.event import Event
from almoner.platform.db import Connection

TABLE = """
    CREATE TABLE heard (
        position bigint GENERATED ALWAYS AS IDENTITY,
        consumer text NOT NULL,
        event_id uuid NOT NULL,
        donation_id uuid NOT NULL,
        step int NOT NULL
    )
"""


class Recorder:
    """Inserts a row into `heard` for each event.

    It refuses the donations in `refuses`; `pause`, when it is set, is waited for after the effect.
    """

    def __init__(
        self, name: str = "recorder", *, kind: str = "donation.paid", past: bool = False
    ) -> None:
        self.name = name
        self.kinds = frozenset({kind})
        self.from_the_beginning = past
        self.refuses: set[UUID] = set()
        self.called = asyncio.Event()
        self.pause: asyncio.Event | None = None

    async def handle(self, connection: Connection, events: Sequence[Event]) -> None:
        """See `Consumer.handle`."""
        for event in events:
            if event.donation_id in self.refuses:
                raise ValueError("somebody@example.com is not somebody I can handle")
            await connection.execute(
                "INSERT INTO heard (consumer, event_id, donation_id, step) VALUES (%s, %s, %s, %s)",
                (self.name, event.event_id, event.donation_id, event.payload["step"]),
            )
        self.called.set()
        if self.pause is not None:
            await self.pause.wait()


def heard(database_url: str, consumer: str = "recorder") -> dict[UUID, list[int]]:
    """The steps of each donation in the order in which the consumer heard of them."""
    steps: dict[UUID, list[int]] = {}
    with psycopg.connect(database_url) as connection:
        for donation_id, step in connection.execute(
            "SELECT donation_id, step FROM heard WHERE consumer = %s ORDER BY position", (consumer,)
        ):
            steps.setdefault(donation_id, []).append(step)
    return steps
