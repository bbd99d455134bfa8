"""Invariant 1: at most one captured transaction for a donation."""

from __future__ import annotations

from almoner.operations.invariant import CAPTURED, Check, Invariant


class CapturedOnce(Invariant):
    """No donor pays twice for one gift."""

    number = 1
    sentence = "At most one captured transaction for a donation."
    checks = (
        Check(
            "captured_once",
            "A donation is captured at most once.",
            f"""
            SELECT payable_id::text FROM {{attempts}} AS a WHERE state IN {CAPTURED}
            GROUP BY payable_id HAVING count(*) > 1
            """,
        ),
    )
