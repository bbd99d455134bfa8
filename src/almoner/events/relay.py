"""Relay: hand every event of the outbox to the consumers that want its kind."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.events import queries
from almoner.events.consumer import Consumer
from almoner.platform.clock import jitter, now_ms
from almoner.platform.db import Database
from almoner.platform.metrics import EVENTS_PUBLISHED


class Relay:
    """Publishes the outbox, partition by partition. Any number may run.

    Publishing writes one delivery for each consumer and marks the event, in one transaction. A
    consumer that is slow or broken therefore holds up nobody: it only leaves its deliveries lying.
    """

    def __init__(
        self, database: Database, consumers: Sequence[Consumer], *, batch: int = 500
    ) -> None:
        self._database = database
        self._consumers = consumers
        self._batch = batch
        self._subscribed = False

    async def step(self) -> int:
        """Publish what waits; gives how many events. Raises DatabaseAway."""
        if not self._subscribed:
            await self.subscribe()
        shards = await queries.shards_with_unpublished(self._database)
        jitter().shuffle(shards)
        published = 0
        for shard in shards:
            published += await self._publish(shard)
        return published

    async def subscribe(self) -> None:
        """Make the consumers known, so that relays of every version publish to them too."""
        async with self._database.transaction() as connection:
            if self._unknown(await queries.subscriptions(connection)):
                await queries.lock_all_shards(connection)
                unknown = self._unknown(await queries.subscriptions(connection))
                for consumer, kinds in unknown:
                    await queries.subscribe(connection, consumer.name, kinds, now_ms())
                    if consumer.from_the_beginning:
                        await queries.deliver_the_past(connection, consumer.name, kinds, now_ms())
        self._subscribed = True

    def _unknown(self, known: dict[str, set[str]]) -> list[tuple[Consumer, list[str]]]:
        """Consumers with the kinds that nobody publishes to them yet."""
        new = [(c, sorted(c.kinds - known.get(c.name, set()))) for c in self._consumers]
        return [(consumer, kinds) for consumer, kinds in new if kinds]

    async def _publish(self, shard: int) -> int:
        """One batch of one partition.

        One relay at a time has a partition: two of them, each skipping what the other has locked,
        could publish the second event of a donation before the first.
        """
        async with self._database.transaction() as connection:
            if not await queries.lock_shard(connection, shard):
                return 0
            kinds = await queries.publish(connection, shard, self._batch, now_ms())
        for kind, count in kinds.items():
            EVENTS_PUBLISHED.labels(kind).inc(count)
        return sum(kinds.values())
