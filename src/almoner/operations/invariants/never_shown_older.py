"""Invariant 14: a donor never sees an older state than one already shown."""

from __future__ import annotations

from almoner.operations.invariant import Invariant


class NeverShownOlder(Invariant):
    """What was on a donor's screen is in no table, so data cannot show a breach."""

    number = 14
    sentence = "A donor never sees an older state than one already shown."
    shown_by = (
        "tests/donations/test_stream.py",
        "tests/donations/test_database_away.py",
        "tests/chaos/test_campaign.py",
    )
