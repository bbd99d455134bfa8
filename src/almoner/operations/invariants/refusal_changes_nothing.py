"""Invariant 18: a 503 never follows a state change."""

from __future__ import annotations

from almoner.operations.invariant import Invariant


class RefusalChangesNothing(Invariant):
    """A refusal is stored nowhere, so data cannot show a breach; tests make it happen."""

    number = 18
    sentence = "A 503 never follows a state change."
    shown_by = ("tests/donations/test_database_away.py", "tests/donations/test_pressure.py")
