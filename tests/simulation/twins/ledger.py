"""Twins of `almoner.ledger.queries`."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.ledger.transfer import Transfer
from simulation.store.schema import EntryRow, zero_sum
from simulation.store.transaction import Transaction


async def insert_transfers(tx: Transaction, transfers: Sequence[Transfer]) -> None:
    rows = [
        EntryRow(
            transfer.transfer_id,
            leg,
            transfer.donor_id,
            account,
            amount_minor,
            transfer.money.currency,
            transfer.source_kind,
            transfer.source_id,
            transfer.posted_ms,
        )
        for transfer in transfers
        for leg, account, amount_minor in (
            (1, transfer.debit, transfer.money.amount_minor),
            (2, transfer.credit, -transfer.money.amount_minor),
        )
    ]
    for row in rows:
        await tx.insert(tx.store.schema.entry, row)
    zero_sum(rows)
