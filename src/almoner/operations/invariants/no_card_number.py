"""Invariant 17: no card number in any log, table, event or journal."""

from __future__ import annotations

from almoner.operations.invariant import Invariant


class NoCardNumber(Invariant):
    """A card never reaches what is kept."""

    number = 17
    sentence = "No card number in any log, table, event, journal."
    shown_by = ("tests/platform/test_logging.py",)
