"""Transactions: READ COMMITTED with row locks that wait, as PostgreSQL does it.

A statement sees what was committed when it runs, and its own transaction's changes. Whoever wants
a row, a key or a lock that another transaction holds waits for that transaction's end and looks
again. Who waits in a circle gets DeadlockDetected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from msgspec import Struct

from simulation.places import Place
from simulation.store.tables import Key, Table

if TYPE_CHECKING:
    from simulation.store.store import Store

R = TypeVar("R")
Lock = tuple[str, Key]
Statement = Callable[..., Awaitable[Any]]
"""A twin: it takes the transaction and what its statement takes."""

DEADLOCK_S = 1.0


class Change(Struct, frozen=True):
    """One committed change of one row. `request` is the donor's request it was made for."""

    at_ms: int
    commit: int
    place: Place
    request: int
    table: str
    key: Key
    old: Any
    new: Any


class Transaction:
    """One transaction. `lost` once the server has ended it by itself."""

    def __init__(self, store: Store, place: Place, started_ms: int) -> None:
        self.store = store
        self.place = place
        self.started_ms = started_ms
        self.writes: dict[str, dict[Key, Any]] = {}
        self.requests: dict[Lock, int] = {}
        self.held: dict[Lock, None] = {}
        self.failed = False
        self.over = False
        self._owed: list[tuple[str, Key | None]] = []
        self.waits_for: Transaction | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self.waiting: asyncio.Future[None] | None = None
        """What this transaction waits on for somebody else's end."""

    # What a statement reads.

    def get(self, table: Table[R], key: Key) -> R | None:
        """A row as this transaction sees it now."""
        mine = self.writes.get(table.name)
        if mine is not None and key in mine:
            row: R | None = mine[key]
            return row
        return table.rows.get(key)

    def rows(self, table: Table[R]) -> list[R]:
        """All rows as this transaction sees them now."""
        mine = self.writes.get(table.name)
        if not mine:
            return list(table.rows.values())
        both = {**table.rows, **mine}
        return [row for row in both.values() if row is not None]

    # What a statement writes.

    async def insert(self, table: Table[R], row: R, *, skip: bool | str = False) -> bool:
        """Insert; False if `skip` (ON CONFLICT DO NOTHING) and there is one already.

        `skip` may be the one index on which a conflict does nothing.
        """
        key = table.key(row)
        if table.guard is not None:
            table.guard(None, row)
        if table.check is not None:
            table.check(row)
        for unique in table.uniques:  # the index that decides is asked first
            value = unique.key(row) if unique.name == skip else None
            if value is not None and not await self._free(table, unique.name, value, skip=skip):
                return False
        if not await self._free(table, "pkey", key, skip=skip):
            return False
        if not await self._keys_free(table, row, skip=skip):
            return False
        self._owed += [(parent.table, parent.key(row)) for parent in table.parents]
        self._take_keys(table, row)
        self._take((table.name, key))
        self._write(table, key, row)
        return True

    async def update(
        self,
        table: Table[R],
        keys: Iterable[Key],
        condition: Callable[[R], bool],
        change: Callable[[R], R],
    ) -> list[R]:
        """Change the rows of these keys for which `condition` holds, now and once locked."""
        seen = [key for key in keys if (row := self.get(table, key)) is not None and condition(row)]
        changed = []
        for key in seen:
            await self.lock((table.name, key))
            row = self.get(table, key)
            if row is None or not condition(row):
                continue
            new = change(row)
            if table.guard is not None:
                table.guard(row, new)
            if table.check is not None:
                table.check(new)
            await self._keys_free(table, new, its_own=key)
            self._take_keys(table, new)
            self._write(table, key, new)
            changed.append(new)
        return changed

    async def delete(self, table: Table[R], keys: Iterable[Key]) -> int:
        """Delete rows; gives how many there were."""
        count = 0
        for key in list(keys):
            await self.lock((table.name, key))
            row = self.get(table, key)
            if row is None:
                continue
            if table.guard is not None:
                table.guard(row, None)
            self._write(table, key, None)
            count += 1
        return count

    def end_statement(self) -> None:
        """Foreign keys are checked once a whole statement is done."""
        owed, self._owed = self._owed, []
        for name, key in owed:
            if key is not None and self.get(self.store.tables[name], key) is None:
                raise psycopg.errors.ForeignKeyViolation(f"no {name} {key}")

    def refuse_if_failed(self) -> None:
        """After an error nothing but the end of the transaction is taken."""
        if self.failed:
            raise psycopg.errors.InFailedSqlTransaction("current transaction is aborted")

    def note_request(self, number: int) -> None:
        """Remember which donor's request the last changes were made for."""
        for name, rows in self.writes.items():
            for key in rows:
                self.requests.setdefault((name, key), number)

    # Locks.

    async def lock(self, lock: Lock) -> None:
        """Wait until nobody else holds it, then hold it until the end of the transaction."""
        while (holder := self.store.locks.get(lock)) is not None and holder is not self:
            await self._wait(holder)
        self._take(lock)

    def try_lock(self, lock: Lock) -> bool:
        """Hold it if nobody else does (SKIP LOCKED, pg_try_advisory_xact_lock)."""
        holder = self.store.locks.get(lock)
        if holder is not None and holder is not self:
            return False
        self._take(lock)
        return True

    def _take(self, lock: Lock) -> None:
        self.store.locks[lock] = self
        self.held[lock] = None

    async def _wait(self, holder: Transaction) -> None:
        store = self.store
        self.waits_for = holder
        try:
            if _circle(self):
                store.world.note("db.deadlock", self.place.name)
                await store.world.sleep(DEADLOCK_S)
                self._raise_if_lost()
                if _circle(self):
                    raise psycopg.errors.DeadlockDetected("deadlock detected")
                if holder.over:
                    return
            store.waits += 1
            self.waiting = asyncio.get_running_loop().create_future()
            holder._waiters.append(self.waiting)
            await self.waiting
            self._raise_if_lost()
        finally:
            self.waits_for = None
            self.waiting = None

    def _raise_if_lost(self) -> None:
        if self.over:
            raise psycopg.errors.AdminShutdown("terminating connection")

    # The end.

    def commit(self) -> None:
        """Make every change of this transaction visible at once."""
        store = self.store
        store.commits += 1
        at_ms = store.world.now_ms
        for name, rows in self.writes.items():
            table = store.tables[name]
            for key, row in rows.items():
                old = table.replace(key, row)
                if old is row:
                    continue
                store.history.append(
                    Change(
                        at_ms,
                        store.commits,
                        self.place,
                        self.requests.get((name, key), 0),
                        name,
                        key,
                        old,
                        row,
                    )
                )
        self._end()

    def abort(self) -> None:
        """Forget every change of this transaction."""
        self._end()

    def _end(self) -> None:
        if self.over:
            return
        self.over = True
        for lock in self.held:
            if self.store.locks.get(lock) is self:
                del self.store.locks[lock]
        self.store.open.pop(self, None)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)

    # Rules.

    async def _keys_free(
        self, table: Table[R], row: R, *, skip: bool | str = False, its_own: Key | None = None
    ) -> bool:
        for unique in table.uniques:
            value = unique.key(row)
            if value is not None and not await self._free(
                table, unique.name, value, skip=skip, its_own=its_own
            ):
                return False
        return True

    async def _free(
        self,
        table: Table[R],
        index: str,
        value: Key,
        *,
        skip: bool | str,
        its_own: Key | None = None,
    ) -> bool:
        """Whether a row may have `value` in an index. Waits for whoever is about to decide that.

        `its_own` is the key of a row that is there already and is only changed. Raises
        UniqueViolation unless `skip`.
        """
        while True:
            claimer = self.store.locks.get((f"{table.name}.{index}", value))
            if claimer is not None and claimer is not self:
                await self._wait(claimer)
                continue
            other = value if index == "pkey" else table.found[index].get(value)
            if other is None or (index == "pkey" and other not in table.rows):
                other = self._mine(table, index, value)
            elif (owner := self._changer(table, other)) is not None:
                await self._wait(owner)
                continue
            elif not self._still_has(table, index, other, value):
                other = self._mine(table, index, value)
            if other is None or other == its_own:
                return True
            if skip in (True, index):
                return False
            raise psycopg.errors.UniqueViolation(f"{table.name} {index}")

    def _changer(self, table: Table[R], key: Key) -> Transaction | None:
        """Another transaction that has changed a row and is not yet over."""
        owner = self.store.locks.get((table.name, key))
        if owner is None or owner is self or key not in owner.writes.get(table.name, ()):
            return None
        return owner

    def _still_has(self, table: Table[R], index: str, key: Key, value: Key) -> bool:
        """Whether a committed row keeps its place in an index in spite of our own changes."""
        row = self.get(table, key)
        if row is None:
            return False
        return index == "pkey" or any(
            unique.name == index and unique.key(row) == value for unique in table.uniques
        )

    def _mine(self, table: Table[R], index: str, value: Key) -> Key | None:
        """The key of a row of our own that has that value in the index."""
        mine = self.writes.get(table.name, {})
        if index == "pkey":
            return value if mine.get(value) is not None else None
        for unique in table.uniques:
            if unique.name == index:
                for key, row in mine.items():
                    if row is not None and unique.key(row) == value:
                        return key
        return None

    def _take_keys(self, table: Table[R], row: R) -> None:
        self._take((f"{table.name}.pkey", table.key(row)))
        for unique in table.uniques:
            value = unique.key(row)
            if value is not None:
                self._take((f"{table.name}.{unique.name}", value))

    def _write(self, table: Table[R], key: Key, row: R | None) -> None:
        self.writes.setdefault(table.name, {})[key] = row


def _circle(transaction: Transaction) -> bool:
    """Whether following who waits for whom leads back here."""
    other = transaction.waits_for
    while other is not None and other is not transaction:
        other = other.waits_for
    return other is transaction
