"""Twins of what of `almoner.charities.queries` has to do with money."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec import structs

from almoner.charities.queries import TotalChange
from simulation.store.schema import TotalRow
from simulation.store.transaction import Transaction


async def add_to_totals(tx: Transaction, changes: Sequence[TotalChange]) -> None:
    table = tx.store.schema.charity_total
    for change in sorted(changes, key=lambda c: (c.charity_id, c.currency)):
        row = TotalRow(change.charity_id, change.currency, change.raised_minor, change.gifts)
        if await tx.insert(table, row, skip=True):
            continue
        await tx.update(
            table,
            [table.key(row)],
            lambda _: True,
            partial(_grown, row),
        )


def _grown(more: TotalRow, row: TotalRow) -> TotalRow:
    return structs.replace(
        row, raised_minor=row.raised_minor + more.raised_minor, gifts=row.gifts + more.gifts
    )
