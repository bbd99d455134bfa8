"""Invariant 17: no card number in any log, table, event or journal."""

from __future__ import annotations

from almoner.operations.card_numbers import find_card_numbers
from almoner.operations.invariant import Check, Invariant


class NoCardNumber(Invariant):
    """A card never reaches what is kept.

    Logs, the journal, Valkey and files are searched by a test, with numbers that it knows.
    """

    number = 17
    sentence = "No card number in any log, table, event, journal."
    shown_by = ("tests/flows/test_no_card_anywhere.py", "tests/platform/test_logging.py")
    checks = (
        Check(
            "no_card_number",
            "No column of any table holds what looks like a card number.",
            find_card_numbers,
            when="deep",
        ),
    )
