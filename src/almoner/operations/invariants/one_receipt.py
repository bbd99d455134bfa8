"""Invariant 13: one valid receipt for each captured gift."""

from __future__ import annotations

from almoner.operations.invariant import Invariant


class OneReceipt(Invariant):
    """There are no receipts yet, so nothing is looked at."""

    number = 13
    sentence = "One valid receipt per captured gift."
    to_come = "receipts"
