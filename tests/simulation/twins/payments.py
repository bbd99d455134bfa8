"""Twins of `almoner.payments.queries`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

from msgspec import structs

from almoner.money import Money
from almoner.payments.attempt import Attempt, AttemptRow, AttemptState
from almoner.payments.outcome import Outcome
from simulation.store.schema import OperationRow, StoredAttempt
from simulation.store.transaction import Transaction

_CAPTURED: Final = frozenset({"SUBMITTED", "SETTLED", "DISPUTED", "LATE_SUCCESS"})


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


async def insert_prepared(tx: Transaction, attempts: Sequence[Attempt]) -> None:
    for attempt in attempts:
        row = StoredAttempt(
            attempt.attempt_id,
            attempt.donor_id,
            attempt.payable_id,
            attempt.number,
            attempt.gateway,
            "PREPARED",
            attempt.money.amount_minor,
            attempt.money.currency,
            attempt.lease_owner,
            None,
            attempt.merchant_account,
        )
        await tx.insert(tx.store.schema.attempt, row)


async def abandon_prepared(
    tx: Transaction, attempts: Sequence[tuple[Attempt, str]], at_ms: int
) -> None:
    for attempt, code in attempts:
        await tx.update(
            tx.store.schema.attempt,
            [(attempt.attempt_id, attempt.donor_id)],
            lambda r: r.state == "PREPARED",
            partial(_abandoned, code, at_ms),
        )


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
            partial(_unmoved, outcome),
            partial(_moved, outcome),
        )
        moved |= {row.attempt_id for row in rows}
    return moved


def _abandoned(code: str, at_ms: int, row: StoredAttempt) -> StoredAttempt:
    return structs.replace(
        row, state="ABANDONED", version=row.version + 1, decline_code=code, observed_ms=at_ms
    )


def _unmoved(o: Outcome, row: StoredAttempt) -> bool:
    return row.version == o.version and row.lease_epoch == o.lease_epoch


def _moved(o: Outcome, row: StoredAttempt) -> StoredAttempt:
    same = row.state == o.state
    first, second = row.gateway_transaction_id, o.gateway_transaction_id
    captured_ms = row.captured_ms
    if captured_ms is None and row.state in _CAPTURED:
        captured_ms = row.observed_ms
    elif captured_ms is None and o.state in _CAPTURED:
        captured_ms = o.finished_ms
    return structs.replace(
        row,
        state=str(o.state),
        version=row.version + 1,
        gateway_transaction_id=(first or second) if same else (second or first),
        decline_code=o.decline_code,
        observed_ms=row.observed_ms if same and row.observed_ms is not None else o.finished_ms,
        captured_ms=captured_ms,
        looked_ms=None if o.next_check_ms is None else o.finished_ms,
        next_check_ms=o.next_check_ms,
        checks=o.checks,
        misses=o.misses,
    )


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
            o.version + 1,
        )
        await tx.insert(tx.store.schema.operation, row)


async def read_operations(tx: Transaction, attempt_id: UUID) -> list[dict[str, Any]]:
    rows = [r for r in tx.rows(tx.store.schema.operation) if r.attempt_id == attempt_id]
    rows.sort(key=lambda r: (r.attempt_version or 0, r.finished_ms, r.operation_id))
    names = (
        "kind",
        "outcome",
        "attempt_version",
        "request_key",
        "gateway_transaction_id",
        "gateway_code",
        "started_ms",
        "finished_ms",
    )
    return [{name: getattr(row, name) for name in names} for row in rows]


async def read_attempts(tx: Transaction, attempt_ids: Sequence[UUID]) -> list[AttemptRow]:
    wanted = set(attempt_ids)
    return [
        as_attempt(row, tx.started_ms)
        for row in tx.rows(tx.store.schema.attempt)
        if row.attempt_id in wanted
    ]


async def latest_attempts(
    tx: Transaction, payables: Sequence[tuple[UUID, UUID]]
) -> dict[UUID, AttemptRow]:
    wanted = set(payables)
    rows = [r for r in tx.rows(tx.store.schema.attempt) if (r.payable_id, r.donor_id) in wanted]
    rows.sort(key=lambda r: (r.payable_id, r.number))
    return {row.payable_id: as_attempt(row, tx.started_ms) for row in rows}


async def attempts_for(tx: Transaction, payable_id: UUID, donor_id: UUID) -> list[AttemptRow]:
    rows = [
        row
        for row in tx.rows(tx.store.schema.attempt)
        if (row.payable_id, row.donor_id) == (payable_id, donor_id)
    ]
    return [as_attempt(row, tx.started_ms) for row in sorted(rows, key=lambda r: r.number)]


async def lock_unchanged(tx: Transaction, attempt: AttemptRow) -> bool:
    table, key = tx.store.schema.attempt, (attempt.attempt_id, attempt.donor_id)

    def unchanged(row: StoredAttempt | None) -> bool:
        return (
            row is not None and row.version == attempt.version and row.state == str(attempt.state)
        )

    if not unchanged(tx.get(table, key)):
        return False
    await tx.lock((table.name, key))
    return unchanged(tx.get(table, key))


async def withdraw_unsent(
    tx: Transaction, attempts: Sequence[Attempt], operation_ids: Sequence[UUID], at_ms: int
) -> int:
    schema = tx.store.schema
    mine: dict[tuple[UUID, UUID, UUID], UUID] = {}
    for attempt, operation_id in zip(attempts, operation_ids, strict=True):
        mine.setdefault((attempt.payable_id, attempt.donor_id, attempt.lease_owner), operation_id)

    def unsent(row: StoredAttempt) -> bool:
        return (
            (row.payable_id, row.donor_id, row.lease_owner) in mine
            and row.state == "DISPATCHED"
            and row.version == 1
        )

    moved = await tx.update(
        schema.attempt,
        [schema.attempt.key(row) for row in tx.rows(schema.attempt)],
        unsent,
        lambda r: structs.replace(
            r,
            state="NOT_SENT",
            version=r.version + 1,
            observed_ms=at_ms,
            next_check_ms=at_ms + 3_600_000,
        ),
    )
    for row in moved:
        operation = OperationRow(
            mine[row.payable_id, row.donor_id, row.lease_owner],
            row.donor_id,
            row.attempt_id,
            "withdraw",
            f"{row.attempt_id.hex}:withdraw",
            "NOT_SENT",
            None,
            None,
            at_ms,
            at_ms,
            row.version,
        )
        await tx.insert(schema.operation, operation)
    return len(moved)


def as_attempt(row: StoredAttempt, now_ms: int) -> AttemptRow:
    """A row as the production code reads it."""
    stands_ms = next(ms for ms in (row.dispatched_ms, row.next_check_ms, now_ms) if ms is not None)
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
        stands_ms,
        row.observed_ms,
        row.gateway_transaction_id,
        row.decline_code,
        row.checks,
        row.misses,
        row.merchant_account,
        row.captured_ms,
        row.looked_ms,
        row.next_check_ms,
    )
