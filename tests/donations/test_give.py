"""Giving, from the body of the first sketch to the books."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from uuid import uuid4

from support.donor import Donor, gift
from support.installation import Installation


async def test_a_gift_is_charged_once_and_told_as_paid(almoner: Installation, donor: Donor):
    """One gift: 201, the sandbox took the money, the donor sees success."""
    answer = await donor.gives(amount="50.00", currency="USD")

    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert told["status"] == "success"
    assert told["amount"] == "50.00"
    assert answer.headers["Location"] == f"/donations/{told['donation_id']}"
    assert (await donor.sees(answer))["transaction_id"] == told["transaction_id"]
