"""Invariant 10: the ledger sums to zero."""

from __future__ import annotations

from almoner.operations.invariant import Check, Invariant


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
    )
