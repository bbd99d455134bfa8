"""Deliver: let one consumer work off what was published for it, each event once in effect."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from msgspec import Struct

from almoner.events import inbox, queries
from almoner.events.consumer import Consumer
from almoner.events.event import Event
from almoner.events.queries import Delivery, Failure
from almoner.platform.clock import jitter, monotonic_s, now_ms
from almoner.platform.db import Connection, Database, DatabaseAway, is_away
from almoner.platform.metrics import DELIVERIES_FAILED, DELIVERIES_HANDLED

log = structlog.get_logger(__name__)

TRIES_MAX: Final = 10
"""After so many an event is parked: people look at it, and nothing else waits for it."""

_BACK_OFF_MAX_MS: Final = 3_600_000
_ILL_AFTER: Final = 3
_REST_MAX_S: Final = 60.0
_ONE_BY_ONE_S: Final = 20.0
"""What is not handled by then comes with the next step: no transaction stays open for long."""


class Patience(Struct, frozen=True):
    """How long one call of a consumer may take, and how many events it is given at once."""

    handle_s: float = 10.0
    batch: int = 200


class Deliverer:
    """Works off the deliveries of one consumer. Any number may run.

    One of them at a time has a partition, so that a donation's events stay in order. An event that
    fails is tried again, later and later, and parked in the end; the later events of its donation
    wait behind it, those of other donations do not.
    """

    def __init__(
        self, database: Database, consumer: Consumer, patience: Patience | None = None
    ) -> None:
        self.consumer = consumer
        self._database = database
        self._patience = patience or Patience()
        self._rest_s = 0.0
        self._rests_until_s = 0.0

    async def step(self) -> int:
        """Hand over what is due; gives how many events were handled. Raises DatabaseAway."""
        if monotonic_s() < self._rests_until_s:
            return 0
        shards = await queries.shards_with_due(self._database, self.consumer.name, now_ms())
        jitter().shuffle(shards)
        handled = 0
        for shard in shards:
            handled += await self._deliver(shard)
            if monotonic_s() < self._rests_until_s:
                break
        return handled

    async def _deliver(self, shard: int) -> int:
        """One batch of one partition.

        Effects, inbox and what becomes of the deliveries are one commit.
        """
        name = self.consumer.name
        async with self._database.transaction() as connection:
            if not await queries.lock_deliveries(connection, name, shard):
                return 0
            due = await queries.due(connection, shard, name, now_ms(), self._patience.batch)
            if not due:
                return 0
            done, failures = await self._hand_over(connection, due)
            await queries.finish(connection, name, done)
            await queries.postpone(connection, name, failures)
        self._tell(done, failures)
        self._rest_if_ill(done, failures)
        return len(done)

    async def _hand_over(
        self, connection: Connection, due: Sequence[Delivery]
    ) -> tuple[list[Delivery], list[Failure]]:
        """All at once; if that fails, one by one, so that a bad event fails alone."""
        if await self._handle(connection, due) is None:
            return list(due), []
        done: list[Delivery] = []
        failures: list[Failure] = []
        held_back = set()
        until_s = monotonic_s() + _ONE_BY_ONE_S
        for delivery in due:
            if delivery.event.donation_id in held_back:
                continue
            if monotonic_s() > until_s:
                break
            error = await self._handle(connection, [delivery])
            if error is None:
                done.append(delivery)
                continue
            held_back.add(delivery.event.donation_id)
            failures.append(_failure(delivery, error))
            if not done and len(failures) >= _ILL_AFTER:
                break
        return done, failures

    async def _handle(
        self, connection: Connection, deliveries: Sequence[Delivery]
    ) -> Exception | None:
        """Effect and inbox behind a savepoint; gives what went wrong."""
        try:
            async with asyncio.timeout(self._patience.handle_s), connection.transaction():
                events: list[Event] = [delivery.event for delivery in deliveries]
                new = await inbox.take(connection, self.consumer.name, events)
                if new:
                    await self.consumer.handle(connection, new)
        except Exception as error:
            if connection.closed or _is_the_database(error):
                raise DatabaseAway from error
            return error
        return None

    def _tell(self, done: Sequence[Delivery], failures: Sequence[Failure]) -> None:
        name = self.consumer.name
        DELIVERIES_HANDLED.labels(name).inc(len(done))
        DELIVERIES_FAILED.labels(name).inc(len(failures))
        for failure in failures:
            tell = log.error if failure.parked else log.warning
            tell(
                "event_parked" if failure.parked else "event_failed",
                consumer=name,
                event_id=str(failure.delivery.event.event_id),
                tries=failure.tries,
                error=failure.error,
            )

    def _rest_if_ill(self, done: Sequence[Delivery], failures: Sequence[Failure]) -> None:
        """A consumer that can do nothing at all rests, so that it does not park its whole queue."""
        if done or len(failures) < _ILL_AFTER:
            self._rest_s = 0.0
            return
        self._rest_s = min(max(self._rest_s * 2, 1.0), _REST_MAX_S)
        self._rests_until_s = monotonic_s() + self._rest_s


def _is_the_database(error: Exception) -> bool:
    """Whether it was the database that failed.

    A consumer's own OSError, or its taking too long (TimeoutError is an OSError), is the consumer's
    failure.
    """
    return not isinstance(error, OSError) and is_away(error)


def _failure(delivery: Delivery, error: Exception) -> Failure:
    """What becomes of a delivery whose handling raised.

    Of the error only its type is kept: its text may name a person.
    """
    tries = delivery.tries + 1
    back_off_ms = min(5_000 * 4 ** (tries - 1), _BACK_OFF_MAX_MS)
    spread_ms = round(back_off_ms * jitter().uniform(0.8, 1.2))
    at_ms = now_ms()
    return Failure(
        delivery, tries, at_ms + spread_ms, at_ms if tries >= TRIES_MAX else None,
        type(error).__name__,
    )  # fmt: skip
