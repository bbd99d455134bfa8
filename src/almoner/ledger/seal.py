"""Seal: link what is in the books into a chain of hashes, one chain for each shard.

A seal covers the entries of a range of numbers. Whatever is changed, taken out or put in between
afterwards does not fit its seal any more (`verify.py`). Giving costs nothing for it but a number
for each entry; the hashes are made by the worker.
"""

from __future__ import annotations

from msgspec import Struct

from almoner.ledger import queries
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.metrics import LEDGER_SEALED, LEDGER_UNSEALED_SECONDS
from almoner.platform.shards import SHARDS


class Horizon(Struct, frozen=True):
    """A number, and the transactions that may still commit entries with lower ones."""

    server: str
    number: int
    writers: frozenset[str]


class Sealer:
    """Seals entries that nothing can come before any more. Any number may run.

    Numbers are given before their commit, so the newest ones are not sealed at once: a horizon is
    noted, and sealed in a later round when every transaction that was writing then has ended.
    """

    def __init__(self, database: Database, *, seal_max: int = 10_000) -> None:
        self._database = database
        self._seal_max = seal_max
        self._horizon: Horizon | None = None

    async def step(self) -> int:
        """Seal up to the horizon, then note the next one. Raises DatabaseAway.

        Gives 0 always: a busy ledger is sealed in steps of the loop's pause, not without end.
        """
        seen = await self._look()
        if self._horizon is None or seen.server != self._horizon.server:
            self._horizon = seen
        elif not self._horizon.writers & seen.writers:
            for shard in range(SHARDS):
                await self._seal(shard, self._horizon.number)
            self._horizon = seen
        LEDGER_UNSEALED_SECONDS.set(await queries.oldest_unsealed_s(self._database, now_ms()))
        return 0

    async def _look(self) -> Horizon:
        """The last number given, and then who is writing.

        In this order, so that nobody who was given a lower number is missed.
        """
        async with self._database.connection() as connection:
            server, number = await queries.last_number(connection)
            return Horizon(server, number, await queries.writers(connection))

    async def _seal(self, shard: int, horizon: int) -> None:
        """All seals that a shard needs, each in a transaction of its own."""
        sealed = 1
        while sealed:
            async with self._database.transaction() as connection:
                if not await queries.lock_chain(connection, shard):
                    return
                last = await queries.last_seal(connection, shard)
                if last is not None and last.to_entry >= horizon:
                    return
                sealed = await queries.insert_seal(
                    connection, shard, last, horizon, self._seal_max, now_ms()
                )
            LEDGER_SEALED.inc(sealed)
