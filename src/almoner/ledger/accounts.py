"""The accounts of the books, by name."""

from __future__ import annotations


def gateway_receivable(gateway: str) -> str:
    """What a gateway has taken for us and not paid out yet (an asset)."""
    return f"gateway_receivable:{gateway}"


def charity_income(charity_id: int) -> str:
    """What was given to a charity."""
    return f"charity_income:{charity_id}"
