"""Mistakes about what belongs into one transaction, and what must be done one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from almoner.charities import totals
from almoner.donations import settle
from almoner.donations.settle import SettlementWriter
from almoner.events.deliver import Deliverer
from almoner.events.event import Event
from almoner.events.outbox import tell
from almoner.ledger.post import post
from simulation.planted.bug import Bug, replace
from simulation.store.shards import shard_of
from simulation.store.transaction import Transaction
from simulation.twins import instead, twin_of

if TYPE_CHECKING:
    from almoner.donations.answer import Answer
    from almoner.donations.settle import Settlement
    from almoner.platform.db import Connection
    from simulation.run import Run


def _afterwards(stack: ExitStack, name: str, write_down: Any) -> None:
    """What settling writes by this name goes into a transaction of its own, after the move."""
    late: list[Any] = []
    real = SettlementWriter.write

    async def collect(_: Connection, what: Sequence[Any]) -> None:
        late.extend(what)

    async def write(self: SettlementWriter, settlements: Sequence[Settlement]) -> list[Answer]:
        answers = await real(self, settlements)
        mine, late[:] = list(late), []
        if mine:
            async with self._writer.transaction() as connection:
                await write_down(connection, mine)
        return answers

    replace(stack, settle, name, collect)
    replace(stack, SettlementWriter, "write", write)


def _books_afterwards(stack: ExitStack) -> None:
    _afterwards(stack, "post", post)


def _tells_afterwards(stack: ExitStack) -> None:
    _afterwards(stack, "tell", tell)


def _effect_apart(stack: ExitStack) -> None:
    real = totals.CharityTotals.handle
    databases: list[Any] = []
    real_step = Deliverer.step

    async def step(self: Deliverer) -> int:
        databases[:] = [self._database]
        return await real_step(self)

    async def handle(
        self: totals.CharityTotals, connection: Connection, events: Sequence[Event]
    ) -> None:
        async with databases[0].transaction() as other:
            await real(self, other, events)

    replace(stack, Deliverer, "step", step)
    replace(stack, totals.CharityTotals, "handle", handle)


def _publishes_above_the_last(stack: ExitStack) -> None:
    last: dict[int, int] = {}

    async def publish(tx: Transaction, shard: int, limit: int, at_ms: int) -> dict[str, int]:
        real: Any = twin_of("events", "publish")
        table, above = tx.store.schema.event, last.get(id(tx.store), 0)
        mine = [row for row in tx.rows(table) if shard_of(row.donor_id) == shard]
        passed = [r for r in mine if r.published_ms is None and (r.number or 0) <= above]
        hidden = tx.writes.setdefault("event", {})
        hidden.update({table.key(row): None for row in passed})
        kinds: dict[str, int] = await real(tx, shard, limit, at_ms)
        for row in passed:
            del hidden[table.key(row)]
        numbers = [row.number or 0 for row in tx.rows(table) if row.published_ms is not None]
        last[id(tx.store)] = max([above, *numbers])
        return kinds

    async def shards(tx: Transaction) -> list[int]:
        above = last.get(id(tx.store), 0)
        rows = tx.rows(tx.store.schema.event)
        seen = [r for r in rows if r.published_ms is None and (r.number or 0) > above]
        return sorted({shard_of(row.donor_id) for row in seen})

    instead(stack, "events", "publish", publish)
    instead(stack, "events", "shards_with_unpublished", shards)


def _gives_up_soon(run: Run) -> None:
    """What the relay has passed it never sees again: no need to wait a day for it."""
    run.liveness_s = 900


def _judges_without_a_lock(stack: ExitStack) -> None:
    async def lock_nothing(_: Transaction, looks: Sequence[int]) -> None:
        """Lock nothing."""

    instead(stack, "donations", "lock_looks", lock_nothing)


BUGS: Final = (
    Bug(
        "ledger outside of the move",
        "postings get a transaction of their own",
        frozenset({11}),
        _books_afterwards,
    ),
    Bug(
        "event outside of the move",
        "events get a transaction of their own",
        frozenset({12}),
        _tells_afterwards,
    ),
    Bug(
        "effect outside of its dedupe transaction",
        "a consumer writes its effect in another transaction than the note that it had the event",
        frozenset({12}),
        _effect_apart,
    ),
    Bug(
        "publishes `number > last`",
        "the relay takes the order of numbers for the order of commits",
        frozenset({12}),
        _publishes_above_the_last,
        _gives_up_soon,
    ),
    Bug(
        "look-alike guard without lock",
        "two gifts that look alike are judged at the same time",
        frozenset({6}),
        _judges_without_a_lock,
    ),
)
