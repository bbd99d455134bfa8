"""Twins of `almoner.payments.queries`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from uuid import UUID

from msgspec import structs

from almoner.money import Money
from almoner.payments.attempt import Attempt, AttemptRow, AttemptState
from almoner.payments.outcome import Outcome
from simulation.store.schema import OperationRow, StoredAttempt
from simulation.store.transaction import Transaction


async def insert_dispatched(
    tx: Transaction, attempts: Sequence[Attempt], check_after_ms: int
) -> None:
    for attempt in attempts:
        row = StoredAttempt(
            attempt.attempt_id,
            attempt.donor_id,
            attempt.payable_id,
            attempt.number,
            attempt.gateway,
            "DISPATCHED",
            attempt.money.amount_minor,
            attempt.money.currency,
            attempt.lease_owner,
            attempt.dispatched_ms,
            attempt.merchant_account,
            next_check_ms=attempt.dispatched_ms + check_after_ms,
        )
        await tx.insert(tx.store.schema.attempt, row)


async def move_attempts(tx: Transaction, outcomes: Sequence[Outcome]) -> set[UUID]:
    table = tx.store.schema.attempt
    moved: set[UUID] = set()
    wanted: dict[UUID, Outcome] = {}
    for outcome in outcomes:
        wanted.setdefault(outcome.attempt_id, outcome)
    for outcome in wanted.values():
        rows = await tx.update(
            table,
            [(outcome.attempt_id, outcome.donor_id)],
            lambda r, o=outcome: r.version == o.version and r.lease_epoch == o.lease_epoch,
            lambda r, o=outcome: structs.replace(
                r,
                state=str(o.state),
                version=r.version + 1,
                gateway_transaction_id=o.gateway_transaction_id or r.gateway_transaction_id,
                decline_code=o.decline_code,
                observed_ms=o.finished_ms,
                next_check_ms=o.next_check_ms,
                checks=o.checks,
                misses=o.misses,
            ),
        )
        moved |= {row.attempt_id for row in rows}
    return moved


async def insert_operations(tx: Transaction, outcomes: Sequence[Outcome]) -> None:
    for o in outcomes:
        row = OperationRow(
            o.operation_id,
            o.donor_id,
            o.attempt_id,
            o.operation_kind,
            o.request_key,
            str(o.state),
            o.gateway_transaction_id,
            o.gateway_code,
            o.started_ms,
            o.finished_ms,
        )
        await tx.insert(tx.store.schema.operation, row)


async def read_attempts(tx: Transaction, attempt_ids: Sequence[UUID]) -> list[AttemptRow]:
    wanted = set(attempt_ids)
    return [as_attempt(row) for row in tx.rows(tx.store.schema.attempt) if row.attempt_id in wanted]


async def latest_attempts(
    tx: Transaction, payables: Sequence[tuple[UUID, UUID]]
) -> dict[UUID, AttemptRow]:
    wanted = set(payables)
    rows = [r for r in tx.rows(tx.store.schema.attempt) if (r.payable_id, r.donor_id) in wanted]
    rows.sort(key=lambda r: (r.payable_id, r.number))
    return {row.payable_id: as_attempt(row) for row in rows}


async def lease_due(
    tx: Transaction, lease_owner: UUID, next_check_ms: int, limit: int
) -> list[AttemptRow]:
    table, now_ms = tx.store.schema.attempt, tx.started_ms

    def due(row: StoredAttempt) -> bool:
        return (
            row.state in {"DISPATCHED", "UNKNOWN"}
            and row.next_check_ms is not None
            and row.next_check_ms <= now_ms
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
            next_check_ms=next_check_ms,
        ),
    )
    return [as_attempt(row) for row in leased]


async def withdraw_unsent(tx: Transaction, stamps: Sequence[tuple[UUID, UUID, UUID]]) -> int:
    table, now_ms, mine = tx.store.schema.attempt, tx.started_ms, set(stamps)

    def unsent(row: StoredAttempt) -> bool:
        return (
            (row.payable_id, row.donor_id, row.lease_owner) in mine
            and row.state == "DISPATCHED"
            and row.version == 1
        )

    rows = await tx.update(
        table,
        [table.key(row) for row in tx.rows(table)],
        unsent,
        lambda r: structs.replace(
            r, state="NOT_SENT", version=r.version + 1, observed_ms=now_ms, next_check_ms=None
        ),
    )
    return len(rows)


def as_attempt(row: StoredAttempt) -> AttemptRow:
    """A row as the production code reads it."""
    return AttemptRow(
        row.attempt_id,
        row.donor_id,
        row.payable_id,
        row.number,
        row.gateway,
        AttemptState(row.state),
        Money(row.amount_minor, row.currency),
        row.version,
        row.lease_owner,
        row.lease_epoch,
        row.dispatched_ms or 0,
        row.observed_ms,
        row.gateway_transaction_id,
        row.decline_code,
        row.checks,
        row.misses,
        row.merchant_account,
    )
