"""One transaction that is to be given back."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from msgspec import Struct

from almoner.money import Money

Reason = Literal[
    "told_not_charged", "another_attempt", "given_again", "voided_before", "two_captures"
]
"""Why it must not stay. `docs/decisions/0020-late-money.md` tells what each means."""


class MoneyReturn(Struct, frozen=True):
    """One transaction that is to be given back in full. Times are milliseconds since 1970."""

    return_id: UUID
    attempt_id: UUID
    donor_id: UUID
    gateway: str
    gateway_transaction_id: str
    money: Money
    reason: Reason
    request_key: str
    decided_ms: int
    tries: int = 0
    done_ms: int | None = None
