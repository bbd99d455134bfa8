"""The accounts of the books, by name."""

from __future__ import annotations

from typing import Final

SUSPENSE: Final = "suspense"
"""Money that nobody has decided about yet. It should be empty."""


def gateway_receivable(gateway: str) -> str:
    """What a gateway has taken for us and not paid out yet (an asset)."""
    return f"gateway_receivable:{gateway}"


def payout_clearing(gateway: str) -> str:
    """What a gateway says it paid out and no bank statement has shown yet (an asset)."""
    return f"payout_clearing:{gateway}"


def gateway_fees(gateway: str) -> str:
    """What a gateway kept for itself (an expense)."""
    return f"gateway_fees:{gateway}"


def bank(currency: str) -> str:
    """What arrived at the bank (an asset)."""
    return f"bank:{currency.lower()}"


def disputes(gateway: str) -> str:
    """What was taken back from us because a donor's bank objects (an asset until it is lost)."""
    return f"disputes:{gateway}"


def charity_income(charity_id: int) -> str:
    """What was given to a charity."""
    return f"charity_income:{charity_id}"
