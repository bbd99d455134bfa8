"""Invariant 9: every history is a path of the transition table."""

from __future__ import annotations

from almoner.operations.invariant import Check, Invariant

_GUARDS_MISSING = """
    SELECT wanted FROM unnest(ARRAY['payment_attempt_guard', 'payment_attempt_birth',
        'ledger_entry_zero_sum', 'ledger_entry_append_only', 'ledger_entry_no_truncate']) AS wanted
    WHERE NOT EXISTS (SELECT FROM pg_trigger
                      WHERE tgname = wanted AND tgenabled IN ('O', 'A') AND tgparentid = 0)
    UNION ALL
    SELECT 'payment_attempt_one_live' WHERE NOT EXISTS (
        SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE relname = 'payment_attempt_one_live' AND indisunique AND indisvalid)
"""


class HistoryIsAPath(Invariant):
    """No attempt moves but as the table of transitions allows."""

    number = 9
    sentence = "Every history is a path of the transition table."
    checks = (
        Check(
            "guards_in_place",
            "The database's own guards exist and are switched on.",
            _GUARDS_MISSING,
        ),
    )
