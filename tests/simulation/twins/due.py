"""Twins of `almoner.payments.due.queries`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final
from uuid import UUID

from msgspec import structs

from almoner.payments.attempt import AttemptRow
from simulation.store.schema import StoredAttempt
from simulation.store.transaction import Transaction
from simulation.twins.payments import as_attempt

_IN_DOUBT: Final = frozenset({"DISPATCHED", "UNKNOWN"})
_NOT_AGAIN: Final = frozenset({"PREPARED", "DISPATCHED", "UNKNOWN", "LATE_SUCCESS"})


async def lease_in_doubt(
    tx: Transaction, lease_owner: UUID, until_ms: int, limit: int, not_of: Sequence[str] = ()
) -> list[AttemptRow]:
    return await _lease(tx, lambda s: s in _IN_DOUBT, lease_owner, until_ms, limit, not_of)


async def lease_look_again(
    tx: Transaction, lease_owner: UUID, until_ms: int, limit: int, not_of: Sequence[str] = ()
) -> list[AttemptRow]:
    return await _lease(tx, lambda s: s not in _NOT_AGAIN, lease_owner, until_ms, limit, not_of)


async def lease_late(
    tx: Transaction, lease_owner: UUID, until_ms: int, limit: int
) -> list[AttemptRow]:
    return await _lease(tx, lambda s: s == "LATE_SUCCESS", lease_owner, until_ms, limit, ())


async def lease_prepared(
    tx: Transaction, lease_owner: UUID, until_ms: int, limit: int
) -> list[AttemptRow]:
    return await _lease(tx, lambda s: s == "PREPARED", lease_owner, until_ms, limit, ())


async def give_time_to_prepared(tx: Transaction, until_ms: int) -> None:
    table = tx.store.schema.attempt
    await tx.update(
        table,
        [table.key(row) for row in tx.rows(table)],
        lambda r: r.state == "PREPARED" and r.next_check_ms is None,
        lambda r: structs.replace(r, next_check_ms=until_ms),
    )


async def _lease(
    tx: Transaction,
    of_state: Callable[[str], bool],
    lease_owner: UUID,
    until_ms: int,
    limit: int,
    not_of: Sequence[str],
) -> list[AttemptRow]:
    table, now_ms = tx.store.schema.attempt, tx.started_ms

    def due(row: StoredAttempt) -> bool:
        return (
            of_state(row.state)
            and row.next_check_ms is not None
            and row.next_check_ms <= now_ms
            and row.gateway not in not_of
        )

    rows = sorted((r for r in tx.rows(table) if due(r)), key=lambda r: r.next_check_ms or 0)
    free: list[Hashable] = []
    for row in rows:
        if len(free) < limit and tx.try_lock((table.name, table.key(row))):
            free.append(table.key(row))
    leased = await tx.update(
        table,
        free,
        due,
        lambda r: structs.replace(
            r,
            lease_owner=lease_owner,
            lease_epoch=r.lease_epoch + 1,
            version=r.version + 1,
            next_check_ms=until_ms,
            looked_ms=until_ms,
        ),
    )
    return [as_attempt(row, now_ms) for row in leased]


async def make_due(tx: Transaction, attempts: Sequence[tuple[UUID, UUID]], *, gap_ms: int) -> int:
    now_ms = tx.started_ms

    def may(row: StoredAttempt) -> bool:
        dispatched_ms = row.dispatched_ms or 0
        looked_ms = next(
            ms for ms in (row.looked_ms, row.observed_ms, dispatched_ms) if ms is not None
        )
        gap = max(gap_ms, (now_ms - dispatched_ms) / 20)
        return (
            row.state == "UNKNOWN"
            and row.next_check_ms is not None
            and row.next_check_ms > now_ms
            and looked_ms < now_ms - gap
        )

    rows = await tx.update(
        tx.store.schema.attempt,
        dict.fromkeys(attempts),
        may,
        lambda r: structs.replace(r, next_check_ms=now_ms),
    )
    return len(rows)


async def make_due_again(tx: Transaction, attempts: Sequence[tuple[UUID, UUID]]) -> int:
    now_ms = tx.started_ms
    rows = await tx.update(
        tx.store.schema.attempt,
        dict.fromkeys(attempts),
        lambda r: (
            r.state not in {"PREPARED", "DISPATCHED"}
            and (r.looked_ms is None or r.looked_ms <= now_ms)
        ),
        lambda r: structs.replace(r, next_check_ms=now_ms),
    )
    return len(rows)


async def take_over(tx: Transaction, attempt_id: UUID, donor_id: UUID) -> None:
    await tx.update(
        tx.store.schema.attempt,
        [(attempt_id, donor_id)],
        lambda _: True,
        lambda r: structs.replace(r, next_check_ms=None, version=r.version + 1),
    )
