"""Twins of `almoner.donors.queries`."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.donors.donor import Donor
from simulation.store.schema import DonorRow
from simulation.store.transaction import Transaction


async def insert_new(tx: Transaction, donors: Sequence[Donor]) -> None:
    table = tx.store.schema.donor
    for donor in sorted(donors, key=lambda d: d.donor_id):
        row = DonorRow(
            donor.donor_id,
            donor.email_normalised,
            donor.email,
            donor.first_name,
            donor.last_name,
            donor.locale,
            tx.started_ms,
        )
        await tx.insert(table, row, skip=True)
