"""Invariant 10: the ledger sums to zero, and its chain verifies."""

from __future__ import annotations

from almoner.ledger.verify import verify
from almoner.operations.invariant import Check, Invariant
from almoner.operations.view import View


async def _chains_broken(view: View) -> list[str]:
    """Where a chain of seals breaks. The short look begins at the last seal before its time."""
    return [
        f"shard {shard.shard}, {shard.broken}"
        async for shard in verify(view.database, since_ms=view.since_ms)
        if shard.broken
    ]


class BooksBalance(Invariant):
    """What leaves one account arrives in another, once."""

    number = 10
    sentence = "The ledger sums to zero, its chain verifies."
    checks = (
        Check(
            "transfers_sum_to_zero",
            "Every ledger transfer sums to zero.",
            """
            SELECT transfer_id::text FROM {entries} AS l
            GROUP BY transfer_id, currency HAVING sum(amount_minor) <> 0
            """,
        ),
        Check(
            "posted_once",
            "A source is posted once, but for what may come again with a further move.",
            """
            SELECT source_id::text FROM {entries} AS l
            WHERE source_kind NOT IN ('late_success', 'adoption', 'reversal', 'undone',
                                      'dispute', 'dispute_won')
            GROUP BY source_kind, source_id, leg HAVING count(*) > 1
            """,
        ),
        Check(
            "chain_verifies",
            "What was sealed in the ledger is as it was.",
            _chains_broken,
        ),
    )
