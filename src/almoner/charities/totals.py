"""Totals: what each charity has been given, counted from events as they are told.

A sum over the ledger would say the same and read every entry. The check `totals_match_ledger`
compares both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from almoner.charities import queries
from almoner.charities.queries import TotalChange
from almoner.events.event import Event
from almoner.platform.db import Connection


class CharityTotals:
    """A consumer of events. `kinds` are those that may change an income."""

    name = "charity_totals"
    from_the_beginning = True

    def __init__(self, kinds: frozenset[str]) -> None:
        self.kinds = kinds

    async def handle(self, connection: Connection, events: Sequence[Event]) -> None:
        """See `Consumer.handle`: adds up `income_minor` of all events, then one row for each sum.

        A gift counts when its money comes, and counts no more when it goes.
        """
        sums: defaultdict[tuple[int, str], int] = defaultdict(int)
        gifts: defaultdict[tuple[int, str], int] = defaultdict(int)
        for event in events:
            income_minor = _income_minor(event)
            key = (event.payload["charity_id"], event.payload["currency"])
            sums[key] += income_minor
            gifts[key] += (income_minor > 0) - (income_minor < 0)
        changes = [
            TotalChange(
                charity_id, currency, sums[charity_id, currency], gifts[charity_id, currency]
            )
            for charity_id, currency in sorted(sums)
        ]
        await queries.add_to_totals(connection, changes)


def _income_minor(event: Event) -> int:
    """Events from before the member was there were all of captures."""
    known = event.payload.get("income_minor")
    return int(event.payload["amount_minor"] if known is None else known)
