"""Invariant 16: refunded is at most captured."""

from __future__ import annotations

from almoner.operations.invariant import Check, Invariant


class GivenBackAtMostCaptured(Invariant):
    """No charge gives back more than it brought.

    Refunds of parts are still to come; what is given back in full goes through the books today.
    """

    number = 16
    sentence = "Refunded <= captured."
    to_come = "refunds of a part"
    checks = (
        Check(
            "given_back_was_captured",
            "No charge took more out of the books than it brought.",
            """
            SELECT source_id::text FROM {entries} AS l
            WHERE account ~ '^(charity_income:|suspense$)'
            GROUP BY source_id, currency HAVING sum(amount_minor) > 0
            """,
        ),
    )
