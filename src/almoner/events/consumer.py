"""The port to those who want to hear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from almoner.events.event import Event
from almoner.platform.db import Connection


class Consumer(Protocol):
    """Somebody who is told of events, each of them once in effect.

    `name` never changes: what a consumer has had is kept under it. `kinds` are the events it wants.
    With `from_the_beginning` a new consumer hears of everything that was published before it came.
    """

    name: str
    kinds: frozenset[str]
    from_the_beginning: bool

    async def handle(self, connection: Connection, events: Sequence[Event]) -> None:
        """Write the effect of these events, inside the given transaction and nowhere else.

        They come in order for each donation. The note that the consumer has had them is written in
        the same transaction, so both stand or neither does. Who has to reach the outside world
        writes down the work here and does it later: no transaction waits for the outside. Any
        exception undoes the effect, and the events come again.
        """
        ...
