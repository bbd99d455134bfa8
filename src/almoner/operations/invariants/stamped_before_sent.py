"""Invariant 4: nothing reached the gateway without a surviving stamp."""

from __future__ import annotations

from almoner.operations.invariant import Check, Invariant


class StampedBeforeSent(Invariant):
    """What is charged was written down first, with its amount.

    A charge whose stamp is missing is seen by invariant 11, which asks the gateway.
    """

    number = 4
    sentence = "Nothing reached the gateway without a surviving stamp."
    checks = (
        Check(
            "attempt_for_same_sum",
            "An attempt is for its donation's amount.",
            """
            SELECT a.attempt_id::text FROM {attempts} AS a
            JOIN donation AS d ON d.donation_id = a.payable_id AND d.donor_id = a.donor_id
            WHERE a.amount_minor <> d.amount_minor OR a.currency <> d.currency
            """,
        ),
    )
