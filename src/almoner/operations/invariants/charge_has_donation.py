"""Invariant 2: no captured transaction without a donation."""

from __future__ import annotations

from almoner.operations.invariant import CAPTURED, Check, Invariant


class ChargeHasDonation(Invariant):
    """Money belongs to a gift.

    That no charge is at the gateway alone is seen by invariant 11, which asks the gateway. A look
    at what changed compares those charges with each other, and what people released with all.
    """

    number = 2
    sentence = "No captured transaction without a donation."
    checks = (
        Check(
            "attempt_has_donation",
            "Every attempt belongs to a donation.",
            """
            SELECT attempt_id::text FROM {attempts} AS a
            WHERE NOT EXISTS (SELECT FROM donation AS d
                              WHERE d.donation_id = a.payable_id AND d.donor_id = a.donor_id)
            """,
        ),
        Check(
            "transaction_used_once",
            "A gateway's transaction pays for one donation.",
            f"""
            SELECT gateway_transaction_id FROM {{attempts}} AS a WHERE state IN {CAPTURED}
            GROUP BY gateway, gateway_transaction_id HAVING count(*) > 1
            UNION
            SELECT r.gateway_transaction_id
            FROM (SELECT DISTINCT attempt_id FROM {{operations}} AS o WHERE kind = 'review') AS by
            JOIN payment_attempt AS r ON r.attempt_id = by.attempt_id
            JOIN payment_attempt AS a ON a.gateway = r.gateway
                 AND a.gateway_transaction_id = r.gateway_transaction_id
                 AND a.attempt_id <> r.attempt_id
            WHERE r.state IN {CAPTURED} AND a.state IN {CAPTURED}
            """,
        ),
        Check(
            "recovered_has_donation",
            "Every charge that was recovered from a gateway has found its donation.",
            "SELECT order_id FROM recovered_charge WHERE became = 'suspense'",
        ),
    )
