"""Invariant 3: every acknowledged donation survives."""

from __future__ import annotations

from almoner.operations.invariant import Check, Invariant


class AcknowledgedSurvives(Invariant):
    """What a donor was told of is there, with all of its parts.

    That it survives a kill is shown by tests: a row that is gone without a trace leaves nothing to
    look at.
    """

    number = 3
    sentence = "Every acknowledged donation survives."
    shown_by = ("tests/flows/test_killed.py", "tests/chaos/test_campaign.py")
    checks = (
        Check(
            "key_has_donation",
            "Every idempotency record has its donation.",
            """
            SELECT donation_id::text FROM {records} AS r
            WHERE NOT EXISTS (SELECT FROM donation AS d
                              WHERE d.donation_id = r.donation_id AND d.donor_id = r.donor_id)
            """,
        ),
        Check(
            "donation_has_attempt",
            "Every donation has an attempt.",
            """
            SELECT donation_id::text FROM {donations} AS d
            WHERE NOT EXISTS (SELECT FROM payment_attempt AS a
                              WHERE a.payable_id = d.donation_id AND a.donor_id = d.donor_id)
            """,
        ),
    )
