"""Invariant 12: each event is published, each effect happens once."""

from __future__ import annotations

from almoner.operations.invariant import CAPTURED, Check, Invariant


class EachEventTold(Invariant):
    """What happened is told to those who must hear of it."""

    number = 12
    sentence = "Each event published, each effect once."
    checks = (
        Check(
            "paid_is_told",
            "Every captured donation has exactly one `donation.paid` event.",
            f"""
            SELECT a.attempt_id::text FROM {{attempts}} AS a
            LEFT JOIN {{events}} AS e ON e.donation_id = a.payable_id AND e.donor_id = a.donor_id
                 AND e.kind = 'donation.paid'
            WHERE a.state IN {CAPTURED}
            GROUP BY a.attempt_id HAVING count(e.event_id) <> 1
            """,
        ),
    )
