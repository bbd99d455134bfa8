"""Invariant 8: no charge stays in doubt for ever."""

from __future__ import annotations

from almoner.operations.invariant import Check, Invariant


class DoubtEnds(Invariant):
    """Whoever reads 'being confirmed' gets an answer.

    Both checks read the few attempts in doubt by their index, in every kind of look.
    """

    number = 8
    sentence = "No UNKNOWN older than 7 days outside review."
    checks = (
        Check(
            "doubt_ends",
            "No charge is in doubt for more than eight days.",
            """
            SELECT attempt_id::text FROM payment_attempt
            WHERE state IN ('PREPARED', 'DISPATCHED', 'UNKNOWN')
              AND dispatched_at < now() - interval '8 days'
            """,
        ),
        Check(
            "doubt_is_scheduled",
            "Every charge in doubt has a time for its next look-up.",
            """
            SELECT attempt_id::text FROM payment_attempt
            WHERE state IN ('DISPATCHED', 'UNKNOWN') AND next_check_at IS NULL
            """,
        ),
    )
