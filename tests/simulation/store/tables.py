"""Tables: rows by their primary key, unique indexes, and the rules a new row must keep."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

R = TypeVar("R")
Key = Hashable


class Unique(Struct, frozen=True):
    """A unique index. `key` gives None for a row that the index leaves out."""

    name: str
    key: Callable[[Any], Key | None]


class Parent(Struct, frozen=True):
    """A foreign key to the primary key of `table`."""

    table: str
    key: Callable[[Any], Key | None]


class Table(Generic[R]):
    """The committed rows of one table, and its rules.

    `check` raises for a row that may not be; `guard` for a change from one row to another.
    """

    def __init__(
        self,
        name: str,
        key: Callable[[R], Key],
        *,
        uniques: Sequence[Unique] = (),
        parents: Sequence[Parent] = (),
        check: Callable[[R], None] | None = None,
        guard: Callable[[R | None, R | None], None] | None = None,
    ) -> None:
        self.name = name
        self.key = key
        self.uniques = list(uniques)
        self.parents = list(parents)
        self.check = check
        self.guard = guard
        self.rows: dict[Key, R] = {}
        self.found: dict[str, dict[Key, Key]] = {unique.name: {} for unique in self.uniques}
        """For each unique index, the primary key of the committed row under each of its keys."""

    def without(self, index: str) -> None:
        """Drop a unique index (a planted bug)."""
        self.uniques = [unique for unique in self.uniques if unique.name != index]

    def replace(self, key: Key, row: R | None) -> R | None:
        """Make a committed change; gives the row that was there."""
        old = self.rows.pop(key, None)
        for unique in self.uniques:
            found = self.found[unique.name]
            was = None if old is None else unique.key(old)
            if was is not None and found.get(was) == key:
                del found[was]
            if row is not None and (now := unique.key(row)) is not None:
                found[now] = key
        if row is not None:
            self.rows[key] = row
        return old
