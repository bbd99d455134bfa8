"""Invariant 8: no charge stays in doubt for ever."""

from __future__ import annotations

from almoner.operations.invariant import Check, Invariant


class DoubtEnds(Invariant):
    """Whoever reads 'being confirmed' gets an answer.

    All checks read the few attempts that they are about by their index, in every kind of look.
    """

    number = 8
    sentence = "No UNKNOWN older than 7 days outside review."
    checks = (
        Check(
            "doubt_ends",
            "No charge is in doubt for more than eight days.",
            """
            SELECT attempt_id::text FROM payment_attempt
            WHERE state IN ('DISPATCHED', 'UNKNOWN')
              AND dispatched_at < now() - interval '8 days'
               OR state = 'PREPARED' AND next_check_at < now() - interval '1 day'
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
        Check(
            "late_money_decided",
            "Late money is decided about within an hour.",
            """
            SELECT attempt_id::text FROM payment_attempt AS a
            WHERE state = 'LATE_SUCCESS' AND observed_at < now() - interval '1 hour'
              AND NOT EXISTS (SELECT FROM money_return AS m
                              WHERE m.attempt_id = a.attempt_id AND m.done_at IS NULL)
            """,
        ),
        Check(
            "promised_money_returned",
            "Money that is to be given back is given back within a day.",
            """
            SELECT attempt_id::text FROM money_return
            WHERE done_at IS NULL AND decided_at < now() - interval '1 day'
            """,
        ),
    )
