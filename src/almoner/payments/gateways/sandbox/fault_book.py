"""The faults that are set: by command in the sandbox's database, by chance in the settings.

Every process reads the table when it needs it and the last reading is older than a fifth of a
second. While nothing is set, a charge costs nothing for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from almoner.payments.gateways.sandbox.faults import Fault, FaultKind, Operation, strikes
from almoner.platform.clock import monotonic_s
from almoner.platform.db import Connection, Database
from almoner.platform.errors import Unavailable

FRESH_S: Final = 0.2


class FaultBook:
    """Picks the fault that a request meets, if any. `prepare` makes its table the first time."""

    def __init__(
        self,
        database: Database,
        by_chance: Sequence[Fault],
        prepare: Callable[[], Awaitable[None]],
    ) -> None:
        self._database = database
        self._prepare = prepare
        self._by_chance = list(by_chance)
        self._drawn = [0] * len(by_chance)
        self._set: list[Fault] = []
        self._read_s: float | None = None
        self._reading = asyncio.Lock()

    @property
    def quiet(self) -> bool:
        """Whether nothing is set, as far as was read a moment ago."""
        return not (self._set or self._by_chance) and not self._is_stale

    @property
    def _is_stale(self) -> bool:
        return self._read_s is None or monotonic_s() - self._read_s > FRESH_S

    async def pick(
        self, operation: Operation, order_id: str, amount_minor: int | None = None
    ) -> Fault | None:
        """The fault that this request meets: the oldest of the table that strikes, else chance.

        While the database cannot be read, what was read last holds.
        """
        if self._is_stale:
            async with self._reading:
                if self._is_stale:
                    await self._read()
        for fault in self._set:
            if fault.fits(operation, order_id, amount_minor) and await self._strikes(fault):
                return fault
        for number, fault in enumerate(self._by_chance):
            if fault.fits(operation, order_id, amount_minor):
                self._drawn[number] += 1
                if strikes(fault, self._drawn[number]):
                    return fault
        return None

    def reread(self) -> None:
        """Read the table at the next request, however fresh the last reading is."""
        self._read_s = None

    async def _read(self) -> None:
        with contextlib.suppress(Unavailable):
            await self._prepare()
            self._set = await all_faults(self._database, over=False)
        self._read_s = monotonic_s()

    async def _strikes(self, fault: Fault) -> bool:
        """Count it in the table, where all processes count, and throw the dice."""
        try:
            async with self._database.connection() as connection:
                drawn = await _draw(connection, fault.fault_id)
                if drawn is None or not strikes(fault, drawn):
                    return False
                await _count(connection, fault.fault_id)
        except Unavailable:
            return False
        return True


async def set_fault(connection: Connection, fault: Fault) -> None:
    """Write a fault down; every process meets it within a fifth of a second."""
    await connection.execute(
        "INSERT INTO sandbox_fault (kind, operation, times_left, probability, seed, delay_ms, "
        "amount_minor, order_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            fault.kind,
            fault.operation,
            fault.times_left,
            fault.probability,
            fault.seed,
            fault.delay_ms,
            fault.amount_minor,
            fault.order_id,
        ),
    )


async def clear_faults(connection: Connection, kind: FaultKind | None) -> int:
    """Take back the faults of a kind, or all; gives how many there were."""
    cursor = await connection.execute(
        "DELETE FROM sandbox_fault WHERE %(kind)s::text IS NULL OR kind = %(kind)s",
        {"kind": kind},
    )
    return cursor.rowcount


async def all_faults(database: Database, *, over: bool) -> list[Fault]:
    """The faults of the table, the oldest first; with `over` also those that struck out."""
    rows = await database.fetch_all(
        "SELECT * FROM sandbox_fault WHERE %s OR times_left IS NULL OR times_left > 0 "
        "ORDER BY fault_id",
        (over,),
    )
    return [_fault(row) for row in rows]


async def _draw(connection: Connection, fault_id: int) -> int | None:
    """Count one throw; None when the fault is over or was taken back meanwhile."""
    cursor = await connection.execute(
        "UPDATE sandbox_fault SET drawn = drawn + 1, times_left = times_left - 1 "
        "WHERE fault_id = %s AND (times_left IS NULL OR times_left > 0) RETURNING drawn",
        (fault_id,),
    )
    row = await cursor.fetchone()
    return None if row is None else int(row["drawn"])


async def _count(connection: Connection, fault_id: int) -> None:
    await connection.execute(
        "UPDATE sandbox_fault SET happened = happened + 1 WHERE fault_id = %s", (fault_id,)
    )


def _fault(row: dict[str, Any]) -> Fault:
    return Fault(
        FaultKind(row["kind"]),
        row["operation"],
        row["times_left"],
        row["probability"],
        row["seed"],
        row["delay_ms"],
        row["amount_minor"],
        row["order_id"],
        row["fault_id"],
        row["drawn"],
        row["happened"],
    )
