"""Twins of `almoner.payments.returns.queries`."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, cast
from uuid import UUID

from msgspec import structs

from almoner.money import Money
from almoner.payments.returns.money_return import MoneyReturn
from simulation.store.schema import ReturnRow
from simulation.store.transaction import Transaction


async def insert(tx: Transaction, back: MoneyReturn) -> None:
    row = ReturnRow(
        back.return_id,
        back.attempt_id,
        back.donor_id,
        back.gateway,
        back.gateway_transaction_id,
        back.money.amount_minor,
        back.money.currency,
        back.reason,
        back.request_key,
        back.decided_ms,
        0,
        tx.started_ms,
    )
    await tx.insert(tx.store.schema.money_return, row, skip=True)


async def count_done(tx: Transaction, attempt_id: UUID) -> int:
    return sum(
        row.attempt_id == attempt_id and row.done_ms is not None
        for row in tx.rows(tx.store.schema.money_return)
    )


async def is_promised(tx: Transaction, attempt_id: UUID) -> bool:
    return any(
        row.attempt_id == attempt_id and row.done_ms is None
        for row in tx.rows(tx.store.schema.money_return)
    )


async def lease(tx: Transaction, until_ms: int, limit: int) -> list[MoneyReturn]:
    table, now_ms = tx.store.schema.money_return, tx.started_ms

    def due(row: ReturnRow) -> bool:
        return row.done_ms is None and row.next_try_ms <= now_ms

    rows = sorted((r for r in tx.rows(table) if due(r)), key=lambda r: r.next_try_ms)
    free: list[Hashable] = []
    for row in rows:
        if len(free) < limit and tx.try_lock((table.name, row.return_id)):
            free.append(row.return_id)
    leased = await tx.update(
        table, free, due, lambda r: structs.replace(r, tries=r.tries + 1, next_try_ms=until_ms)
    )
    return [_money_return(row) for row in leased]


async def put_off(tx: Transaction, return_id: UUID, next_ms: int) -> None:
    await tx.update(
        tx.store.schema.money_return,
        [return_id],
        lambda r: r.done_ms is None,
        lambda r: structs.replace(r, next_try_ms=next_ms),
    )


async def finish(tx: Transaction, return_id: UUID, kind: str, at_ms: int) -> None:
    await tx.update(
        tx.store.schema.money_return,
        [return_id],
        lambda r: r.done_ms is None,
        lambda r: structs.replace(r, done_ms=at_ms, done_kind=kind),
    )


def _money_return(row: ReturnRow) -> MoneyReturn:
    return MoneyReturn(
        row.return_id,
        row.attempt_id,
        row.donor_id,
        row.gateway,
        row.gateway_transaction_id,
        Money(row.amount_minor, row.currency),
        cast("Any", row.reason),
        row.request_key,
        row.decided_ms,
        row.tries,
        row.done_ms,
    )
