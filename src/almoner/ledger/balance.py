"""Balance: what stands in each account."""

from __future__ import annotations

from msgspec import Struct

from almoner.ledger import queries
from almoner.money import Money
from almoner.platform.db import Database


class Balance(Struct, frozen=True):
    """The sum of an account in one currency. Assets and expenses are positive, income negative."""

    account: str
    money: Money
    entries: int


async def balances(database: Database) -> list[Balance]:
    """Every account by name. Reads the whole ledger. Raises DatabaseAway."""
    return [
        Balance(row["account"], Money(row["amount_minor"], row["currency"]), row["entries"])
        for row in await queries.sums(database)
    ]
