"""Invariant 1: at most one captured transaction for a donation."""

from __future__ import annotations

from almoner.operations.invariant import CAPTURED, Check, Invariant


class CapturedOnce(Invariant):
    """No donor pays twice for one gift.

    Where the outside world captures a second time, a day is the time in which it is given back.
    """

    number = 1
    sentence = "At most one captured transaction for a donation."
    checks = (
        Check(
            "captured_once",
            "A donation is captured at most once.",
            f"""
            SELECT payable_id::text FROM {{attempts}} AS a
            WHERE state IN {CAPTURED}
              AND (state <> 'LATE_SUCCESS' OR observed_at < now() - interval '1 day')
            GROUP BY payable_id HAVING count(*) > 1
            """,
        ),
        Check(
            "second_capture_returned",
            "A second transaction of one charge is given back within a day.",
            """
            SELECT o.attempt_id::text FROM gateway_operation AS o
            WHERE o.gateway_code = 'second_transaction'
              AND o.finished_at < now() - interval '1 day'
              AND NOT EXISTS (
                SELECT FROM money_return AS m
                WHERE m.attempt_id = o.attempt_id AND m.done_at IS NOT NULL
                  AND m.gateway_transaction_id = o.gateway_transaction_id)
            GROUP BY o.attempt_id
            """,
        ),
    )
