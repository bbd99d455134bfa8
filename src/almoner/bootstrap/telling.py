"""Who is told of what, and the loops that tell."""

from __future__ import annotations

from almoner.charities.totals import CharityTotals
from almoner.donations.telling import INCOME_KINDS, KINDS
from almoner.events.consumer import Consumer
from almoner.events.deliver import Deliverer
from almoner.events.queue_length import measure
from almoner.events.relay import Relay
from almoner.events.write_log import LogWriter
from almoner.platform.db import Database
from almoner.platform.loops import Loop
from almoner.platform.settings import Settings

_MEASURE_S = 10.0


def consumers() -> tuple[Consumer, ...]:
    """Everybody who is told of something."""
    return (LogWriter(KINDS), CharityTotals(INCOME_KINDS))


class Telling:
    """The relay and a deliverer for each consumer, each in a loop of its own.

    A consumer that takes long or fails holds up neither the relay nor the others.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        subscribed = consumers()
        self._database = database
        self._pause_s = settings.relay.relay_pause_ms / 1000
        self.relay = Relay(database, subscribed)
        self.deliverers = [Deliverer(database, consumer) for consumer in subscribed]

    def loops(self) -> list[Loop]:
        """One for the relay, one for each consumer, one that measures the queues."""
        return [
            Loop("relay", self.relay.step, self._pause_s),
            *(
                Loop(f"deliver {deliverer.consumer.name}", deliverer.step, self._pause_s)
                for deliverer in self.deliverers
            ),
            Loop("queue length", self._measure, _MEASURE_S),
        ]

    async def tell_all(self) -> None:
        """Publish and deliver until nothing is due. Raises DatabaseAway."""
        while await self.relay.step():
            pass
        for deliverer in self.deliverers:
            while await deliverer.step():
                pass

    async def _measure(self) -> int:
        await measure(self._database)
        return 0
