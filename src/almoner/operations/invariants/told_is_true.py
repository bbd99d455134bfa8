"""Invariant 7: what was told is true."""

from __future__ import annotations

from almoner.operations.invariant import LIVE, Check, Invariant


class ToldIsTrue(Invariant):
    """The stored answer, which is what the donor read, fits what happened to the money."""

    number = 7
    sentence = "Told = true."
    checks = (
        Check(
            "told_paid_is_paid",
            "Who was told 'paid' has paid, by that transaction.",
            """
            SELECT r.donation_id::text FROM {records} AS r
            WHERE r.response_status = 201 AND NOT EXISTS (
                SELECT FROM payment_attempt AS a
                WHERE a.payable_id = r.donation_id AND a.donor_id = r.donor_id
                  AND a.state NOT IN ('PREPARED', 'DISPATCHED', 'UNKNOWN', 'DECLINED', 'NOT_SENT',
                                      'NOT_CHARGED', 'ABANDONED', 'EXPIRED')
                  AND (r.response_body = ''
                       OR position(convert_to('"' || a.gateway_transaction_id || '"', 'UTF8')
                                   IN r.response_body) > 0))
            """,
        ),
        Check(
            "told_unpaid_is_unpaid",
            "Who was told 'not charged' was not charged.",
            f"""
            SELECT r.donation_id::text FROM {{records}} AS r
            WHERE r.response_status = 402 AND EXISTS (
                SELECT FROM payment_attempt AS a
                WHERE a.payable_id = r.donation_id AND a.donor_id = r.donor_id
                  AND a.state IN {LIVE})
            """,
        ),
    )
