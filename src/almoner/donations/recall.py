"""Recall: what is known of keys that were used before, read for many at once.

A key must be recognised also while gifts are refused because there are too many of them, so this
reading is cheap: one connection, one question for all who ask in the same moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from almoner.donations import queries
from almoner.donations.facts import DonationFacts
from almoner.donations.known import known
from almoner.donations.queries import Record
from almoner.payments.attempt import AttemptRow
from almoner.platform.batch import Batcher
from almoner.platform.db import Database

RETRY_FOR_MS: Final = 500


class Recalled(Struct, frozen=True):
    """A gift that was taken under a key, with its newest attempt."""

    record: Record
    attempt: AttemptRow
    facts: DonationFacts


class Recalling:
    """Recalls gifts by id, many in one question."""

    def __init__(self, database: Database, *, wait_ms: int) -> None:
        self._database = database
        self._batcher: Batcher[UUID, Recalled | None] = Batcher(
            "recalls", self._read, wait_ms=wait_ms, retry_for_ms=RETRY_FOR_MS
        )

    async def open(self) -> None:
        """Begin to read."""
        await self._batcher.open()

    async def close(self) -> None:
        """Answer who is waiting, then end."""
        await self._batcher.close()

    async def recall(self, donation_id: UUID) -> Recalled | None:
        """What is known of a gift; None when there is none. Raises DatabaseAway or Overloaded."""
        return await self._batcher.submit(donation_id)

    def report(self) -> None:
        """Write down how many wait, for the metrics."""
        self._batcher.report()

    async def _read(self, donation_ids: Sequence[UUID]) -> list[Recalled | None]:
        async with self._database.connection() as connection:
            records, attempts = await known(connection, donation_ids)
            if not records:
                return [None] * len(donation_ids)
            facts = await queries.read_many_facts(connection, list(records))
        return [
            Recalled(records[i], attempts[i], facts[i])
            if i in records and i in attempts and i in facts
            else None
            for i in donation_ids
        ]
