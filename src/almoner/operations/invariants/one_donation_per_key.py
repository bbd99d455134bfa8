"""Invariant 6: one donation for scope and key; replays are byte-identical."""

from __future__ import annotations

from almoner.operations.invariant import Check, Invariant


class OneDonationPerKey(Invariant):
    """A key is one gift for ever, and its answer is kept.

    That there is no second donation is the record's primary key; that each donation has its record
    makes the rule complete.
    """

    number = 6
    sentence = "One donation for scope and key, replays byte-identical."
    checks = (
        Check(
            "donation_has_key",
            "Every donation has its idempotency record.",
            """
            SELECT donation_id::text FROM {donations} AS d
            WHERE NOT EXISTS (SELECT FROM idempotency_record AS r
                              WHERE r.donation_id = d.donation_id)
            """,
        ),
        Check(
            "final_has_answer",
            "Every final attempt has its stored answer.",
            """
            SELECT a.payable_id::text FROM {attempts} AS a
            JOIN idempotency_record AS r ON r.donation_id = a.payable_id
            WHERE a.state IN ('SUBMITTED', 'SETTLED', 'DECLINED', 'NOT_CHARGED')
              AND r.response_status IS NULL AND r.created_at > now() - interval '29 days'
            """,
        ),
    )
