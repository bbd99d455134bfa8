"""The database's side: tables, locks, and the list of everything that was ever committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulation.places import Place
from simulation.store.schema import Schema
from simulation.store.transaction import Change, Lock, Transaction

if TYPE_CHECKING:
    from simulation.world import World

NEVER_MS: Final = 10**15


class Store:
    """One database. It never loses a commit: that is what it is trusted for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.schema = Schema()
        self.tables = self.schema.tables()
        self.locks: dict[Lock, Transaction] = {}
        self.open: dict[Transaction, None] = {}
        self.history: list[Change] = []
        self.commits = 0
        self.event_number = 0
        """The last value of a sequence; it never goes back."""
        self.waits = 0

    def begin(self, place: Place) -> Transaction:
        """A new transaction of a place."""
        transaction = Transaction(self, place, self.world.now_ms)
        self.open[transaction] = None
        return transaction

    def end_all(self, place: Place | None = None) -> int:
        """Roll back what is open, of one place or of all; gives how many there were."""
        ended = [t for t in self.open if place is None or t.place is place]
        for transaction in ended:
            transaction.abort()
        return len(ended)

    def changes(self, table: str) -> list[Change]:
        """The history of one table, oldest first."""
        return [change for change in self.history if change.table == table]

    def next_due_s(self) -> float:
        """In how many seconds something is due by the clock; far away when nothing is."""
        schema = self.schema
        due = [r.next_check_ms for r in schema.attempt.rows.values() if r.next_check_ms is not None]
        due += [r.next_try_ms for r in schema.money_return.rows.values() if r.done_ms is None]
        due += [
            r.next_try_ms
            for r in schema.webhook.rows.values()
            if r.processed_ms is None and r.parked_ms is None and r.next_try_ms is not None
        ]
        due += [r.next_ms for r in schema.delivery.rows.values() if r.parked_ms is None]
        due += [0 for r in schema.event.rows.values() if r.published_ms is None]
        return (min(due, default=NEVER_MS) - self.world.now_ms) / 1000

    def row_counts(self) -> dict[str, Any]:
        """How many rows each table has."""
        return {name: len(table.rows) for name, table in self.tables.items()}
