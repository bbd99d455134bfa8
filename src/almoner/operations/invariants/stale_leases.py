"""Invariant 15: a stale lease changes nothing."""

from __future__ import annotations

from almoner.operations.invariant import Invariant


class StaleLeases(Invariant):
    """A move that was refused leaves nothing to look at; tests make it happen."""

    number = 15
    sentence = "Stale leases change nothing."
    shown_by = ("tests/payments/test_resolve.py",)
