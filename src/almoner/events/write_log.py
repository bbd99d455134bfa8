"""The log as a consumer: one structured line for each event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from almoner.events.event import Event
from almoner.platform.clock import rfc3339
from almoner.platform.db import Connection

log = structlog.get_logger(__name__)

SHOWN: Final = (
    "attempt_id",
    "state",
    "charity_id",
    "amount_minor",
    "income_minor",
    "currency",
    "gateway",
    "transaction_id",
    "code",
)
"""What of a payload is written down: ids, amounts and codes. A link by which a gift can be finished
opens the donor's form, so whatever is not in this list stays out."""


class LogWriter:
    """Writes `event_told`: ids, kind, amounts; no person's data.

    A line of a log cannot be taken back: should the transaction fail after it was written, it
    appears a second time. Whoever counts lines counts different event ids.
    """

    name = "log"
    from_the_beginning = False

    def __init__(self, kinds: frozenset[str]) -> None:
        self.kinds = kinds

    async def handle(self, connection: Connection, events: Sequence[Event]) -> None:  # noqa: ARG002
        """See `Consumer.handle`."""
        for event in events:
            log.info(
                "event_told",
                **{name: event.payload[name] for name in SHOWN if name in event.payload}
                | {
                    "event_id": str(event.event_id),
                    "kind": event.kind,
                    "donation_id": str(event.donation_id),
                    "occurred_at": rfc3339(event.occurred_ms),
                },
            )
