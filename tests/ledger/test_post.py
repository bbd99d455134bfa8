"""The books sum to zero, are only added to, and hold each source once."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from almoner.ledger.accounts import charity_income, gateway_receivable
from almoner.ledger.post import post
from almoner.ledger.transfer import Transfer
from almoner.money import Money

LEG = """
    INSERT INTO ledger_entry (transfer_id, leg, donor_id, account, amount_minor, currency,
                              source_kind, source_id, posted_at)
    VALUES (%s, 1, %s, 'bank', 100, 'USD', 'capture', %s, now())
"""


def transfer(amount_minor: int = 5000) -> Transfer:
    """A capture of 50.00 USD for charity 101."""
    return Transfer(
        transfer_id=uuid4(),
        donor_id=uuid4(),
        debit=gateway_receivable("sandbox"),
        credit=charity_income(101),
        money=Money(amount_minor, "USD"),
        source_kind="capture",
        source_id=uuid4(),
        posted_ms=1_800_000_000_000,
    )


async def test_a_transfer_has_two_legs_that_sum_to_zero(database_url: str) -> None:
    """Debit positive, credit negative, the accounts as named."""
    async with await psycopg.AsyncConnection.connect(database_url, row_factory=dict_row) as books:
        await post(books, [transfer(), transfer(7)])
        rows = await (
            await books.execute("SELECT account, amount_minor FROM ledger_entry")
        ).fetchall()

    assert sorted((r["account"], r["amount_minor"]) for r in rows) == [
        ("charity_income:101", -5000),
        ("charity_income:101", -7),
        ("gateway_receivable:sandbox", 7),
        ("gateway_receivable:sandbox", 5000),
    ]


async def test_a_source_cannot_be_posted_twice(database_url: str) -> None:
    """The derived transfer id is the key."""
    capture = transfer()
    async with await psycopg.AsyncConnection.connect(database_url, row_factory=dict_row) as books:
        await post(books, [capture])

        with pytest.raises(psycopg.errors.UniqueViolation):
            await post(books, [capture])


@pytest.mark.parametrize("table", ["ledger_entry", *(f"ledger_entry_{n}" for n in range(8))])
def test_a_leg_alone_is_refused(database_url: str, table: str) -> None:
    """The zero-sum trigger looks at what the statement added, also to a partition by its name."""
    statement = LEG.replace("ledger_entry", table, 1).encode()
    refusals = []
    with psycopg.connect(database_url, autocommit=True) as books:
        for _ in range(40):  # some of forty random donors belong to this partition
            try:
                books.execute(statement, (uuid4(), uuid4(), uuid4()))
            except psycopg.errors.CheckViolation as refused:
                refusals.append(str(refused))

    assert len(refusals) == 40
    assert any("does not sum to zero" in text for text in refusals)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET amount_minor = 1",
        "DELETE FROM ledger_entry",
        "TRUNCATE ledger_entry",
        "UPDATE ledger_entry_3 SET amount_minor = 1",
        "DELETE FROM ledger_entry_3",
        "TRUNCATE ledger_entry_3",
    ],
)
async def test_what_is_posted_stays(database_url: str, statement: str) -> None:
    """UPDATE, DELETE and TRUNCATE are refused by the database."""
    async with await psycopg.AsyncConnection.connect(database_url, row_factory=dict_row) as books:
        await post(books, [transfer() for _ in range(60)])
        await books.commit()

        with pytest.raises(psycopg.errors.RestrictViolation):
            await books.execute(statement.encode())
