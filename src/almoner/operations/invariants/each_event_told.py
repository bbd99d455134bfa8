"""Invariant 12: each event is published, each effect happens once."""

from __future__ import annotations

from almoner.operations.invariant import IN_INCOME, Check, Invariant


class EachEventTold(Invariant):
    """What happened is told to those who must hear of it."""

    number = 12
    sentence = "Each event published, each effect once."
    checks = (
        Check(
            "paid_is_told",
            "Every donation in the income has one `donation.paid` event that stands; others none.",
            f"""
            SELECT a.attempt_id::text FROM {{attempts}} AS a
            LEFT JOIN {{events}} AS e ON e.donation_id = a.payable_id AND e.donor_id = a.donor_id
                 AND e.payload ->> 'attempt_id' = a.attempt_id::text
            GROUP BY a.attempt_id, a.state
            HAVING count(*) FILTER (WHERE e.kind = 'donation.paid')
                   - count(*) FILTER (WHERE (e.payload ->> 'income_minor')::bigint < 0)
                   <> CASE WHEN a.state IN {IN_INCOME} THEN 1 ELSE 0 END
            """,
        ),
    )
