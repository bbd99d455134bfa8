"""Invariant 5: at most one live attempt for a donation."""

from __future__ import annotations

from almoner.operations.invariant import LIVE, Check, Invariant


class OneLiveAttempt(Invariant):
    """While one charge is paid, under way or in doubt, there is no second."""

    number = 5
    sentence = "At most one live attempt."
    checks = (
        Check(
            "one_live_attempt",
            "A donation has at most one live attempt.",
            f"""
            SELECT payable_id::text FROM {{attempts}} AS a WHERE state IN {LIVE}
            GROUP BY payable_id HAVING count(*) > 1
            """,
        ),
    )
