"""What is sealed cannot be changed unnoticed, and nothing honest is ever taken for a change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest

from almoner.ledger.accounts import charity_income, gateway_receivable
from almoner.ledger.balance import balances
from almoner.ledger.head import heads
from almoner.ledger.post import post
from almoner.ledger.seal import Sealer
from almoner.ledger.transfer import Transfer
from almoner.ledger.verify import Verified, verify
from almoner.money import Money
from almoner.platform.db import Database
from support.proxy import Wire
from support.tamper import tamper

DONOR = uuid4()


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Database]:
    """Books that are empty yet."""
    opened = Database(database_url)
    await opened.open()
    yield opened
    await opened.close()


def gift(amount_minor: int = 5000, *, one_donor: bool = False) -> Transfer:
    """A capture; of the same donor every time, so of one shard, or of anybody."""
    return Transfer(
        transfer_id=uuid4(),
        donor_id=DONOR if one_donor else uuid4(),
        debit=gateway_receivable("sandbox"),
        credit=charity_income(101),
        money=Money(amount_minor, "USD"),
        source_kind="capture",
        source_id=uuid4(),
        posted_ms=1_800_000_000_123,
    )


async def book(books: Database, count: int, *, one_donor: bool = False) -> None:
    """Post gifts."""
    async with books.transaction() as connection:
        await post(connection, [gift(one_donor=one_donor) for _ in range(count)])


async def seal(books: Database, *, seal_max: int = 10_000) -> None:
    """One round that notes the horizon, one that seals up to it."""
    sealer = Sealer(books, seal_max=seal_max)
    await sealer.step()
    await sealer.step()


async def verified(books: Database, since_ms: int | None = None) -> list[Verified]:
    """What verification says of each shard."""
    return [shard async for shard in verify(books, since_ms=since_ms)]


async def broken(books: Database) -> list[str]:
    """What verification finds wrong."""
    return [shard.broken for shard in await verified(books) if shard.broken]


async def entries_sealed(books: Database) -> int:
    """How many entries are sealed."""
    return sum(shard.entries for shard in await verified(books))


async def test_what_is_posted_is_sealed_and_verifies(books: Database) -> None:
    """Three rounds of gifts: every entry is in a seal, the seals hang together."""
    for _ in range(3):
        await book(books, 40)
        await seal(books)

    shards = await verified(books)

    assert [shard.broken for shard in shards] == [None] * 8
    assert sum(shard.entries for shard in shards) == 240
    assert max(shard.seals for shard in shards) == 3
    assert {head.hash for head in await heads(books)} == {shard.head for shard in shards}


async def test_a_quiet_ledger_gets_no_seals(books: Database) -> None:
    """Nothing new, nothing written."""
    await book(books, 5, one_donor=True)
    for _ in range(4):
        await seal(books)

    assert sum(shard.seals for shard in await verified(books)) == 1


async def test_much_is_sealed_in_pieces(books: Database) -> None:
    """A hundred entries in seals of about seven."""
    await book(books, 50, one_donor=True)

    await seal(books, seal_max=7)

    shards = await verified(books)
    assert await broken(books) == []
    assert sum(shard.entries for shard in shards) == 100
    assert max(shard.seals for shard in shards) == 15


async def test_a_transaction_that_commits_late_is_waited_for(books: Database) -> None:
    """It was given low numbers; nothing is sealed over them before it ends."""
    sealer = Sealer(books)
    async with books.transaction() as slow:
        await post(slow, [gift(one_donor=True)])
        await book(books, 3, one_donor=True)
        for _ in range(3):
            await sealer.step()
        while_open = await entries_sealed(books)

    await sealer.step()

    assert while_open == 0
    assert await entries_sealed(books) == 8
    assert await broken(books) == []


async def test_a_transaction_that_is_undone_leaves_a_gap_that_is_no_breach(
    books: Database,
) -> None:
    """Numbers are not given back."""

    async with books.transaction() as connection:
        await post(connection, [gift(one_donor=True)])
        raise psycopg.Rollback
    await book(books, 2, one_donor=True)

    await seal(books)

    assert await entries_sealed(books) == 4
    assert await broken(books) == []


async def test_two_sealers_make_one_chain(books: Database) -> None:
    """Side by side, while gifts go on: no fork, no gap, nothing sealed twice."""
    sealers = [Sealer(books) for _ in range(4)]
    for _ in range(6):
        await asyncio.gather(book(books, 10), *(sealer.step() for sealer in sealers))
    for _ in range(2):
        await asyncio.gather(*(sealer.step() for sealer in sealers))

    assert await entries_sealed(books) == 120
    assert await broken(books) == []


async def test_a_seal_whose_commit_is_lost_is_made_once(books: Database) -> None:
    """The next round finds it and goes on behind it."""
    await book(books, 10, one_donor=True)
    async with Wire(books.url) as wire:
        through = Database(wire.url, size=1)
        await through.open()
        sealer = Sealer(through)
        await sealer.step()
        wire.lose_commits(1)
        for _ in range(9):  # one transaction for each shard
            await asyncio.gather(sealer.step(), return_exceptions=True)
        await through.close()

    assert wire.commits_lost == 1
    assert await entries_sealed(books) == 20
    assert await broken(books) == []


LAST = "(SELECT max(entry_number) FROM ledger_entry)"
COPY = """
    INSERT INTO ledger_entry SELECT gen_random_uuid(), leg, donor_id, account, amount_minor,
        currency, source_kind, gen_random_uuid(), posted_at, {number}
    FROM ledger_entry WHERE entry_number = {of}
"""


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE ledger_entry SET amount_minor = 1 WHERE entry_number = 5", "changed"),
        ("UPDATE ledger_entry SET account = 'charity_income:102' WHERE entry_number = 5",
         "changed"),
        ("UPDATE ledger_entry SET posted_at = posted_at - interval '1 microsecond' "
         "WHERE entry_number = 5", "changed"),
        ("UPDATE ledger_entry SET source_id = gen_random_uuid() WHERE entry_number = 5", "changed"),
        ("DELETE FROM ledger_entry WHERE entry_number = 5", "entries sealed"),
        (COPY.format(number=5, of=5), "entries sealed"),
        (COPY.format(number="NULL", of=5), "entries sealed"),
        (COPY.format(number=LAST, of=LAST), "entries sealed"),
        ("UPDATE ledger_seal SET hash = sha256('x') WHERE number = 1", "changed"),
        ("UPDATE ledger_seal SET hash = sha256('x') WHERE number = 3", "changed"),
        ("UPDATE ledger_seal SET entries = 7 WHERE number = 1", "entries sealed"),
        ("DELETE FROM ledger_seal WHERE number = 1", "seal 1: is missing"),
        ("DELETE FROM ledger_seal WHERE number = 2", "seal 2: is missing"),
        ("UPDATE ledger_seal SET previous_hash = sha256('x') WHERE number = 2",
         "does not continue"),
        ("UPDATE ledger_seal SET after_entry = after_entry - 1 WHERE number = 2", "does not join"),
    ],
)  # fmt: skip
async def test_every_tampering_is_found_and_named(
    books: Database, statement: str, says: str
) -> None:
    """Changed, removed, slipped in, back-dated; in an entry or in a seal: shard and seal named."""
    for _ in range(3):
        await book(books, 4, one_donor=True)
        await seal(books)
    assert await broken(books) == []

    tamper(
        books.url,
        "ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_numbered",
        statement,
    )

    found = await broken(books)
    assert len(found) == 1
    assert says in found[0]
    assert found[0].startswith("seal ")


async def test_a_chain_that_was_written_anew_does_not_fit_a_head_that_was_kept(
    books: Database,
) -> None:
    """Whoever owns the database can forge all of it; not what was noted elsewhere before."""
    await book(books, 4, one_donor=True)
    await seal(books)
    kept = await heads(books)
    tamper(
        books.url,
        "UPDATE ledger_entry SET amount_minor = 2 * amount_minor",
        "DELETE FROM ledger_seal",
    )
    await seal(books)

    by_itself = await broken(books)
    with_the_head = [s.broken async for s in verify(books, kept=kept) if s.broken]

    assert by_itself == []
    assert len(with_the_head) == 1


async def test_the_end_cut_off_is_seen_by_a_head_that_was_kept(books: Database) -> None:
    """The last seal and its entries are gone: what is left hangs together."""
    for _ in range(2):
        await book(books, 4, one_donor=True)
        await seal(books)
    kept = await heads(books)
    tamper(
        books.url,
        "DELETE FROM ledger_entry WHERE entry_number > (SELECT to_entry FROM ledger_seal "
        "WHERE number = 1)",
        "DELETE FROM ledger_seal WHERE number = 2",
    )

    assert await broken(books) == []
    assert [s.broken async for s in verify(books, kept=kept) if s.broken] != []


async def test_a_later_verification_begins_where_a_time_says(books: Database) -> None:
    """Only what came since is read; what is new is still checked."""
    for _ in range(3):
        await book(books, 4, one_donor=True)
        await seal(books)
    tamper(books.url, "UPDATE ledger_seal SET sealed_at = now() - interval '1 day' "
                      "WHERE number < 3")  # fmt: skip
    since_ms = int((await books.fetch_all("SELECT extract(epoch FROM now() - interval '1 hour') "
                                          "* 1000 AS ms"))[0]["ms"])  # fmt: skip

    before = [shard.seals for shard in await verified(books, since_ms=since_ms) if shard.seals]
    tamper(books.url, "UPDATE ledger_entry SET amount_minor = 1 WHERE entry_number > "
                      "(SELECT after_entry FROM ledger_seal WHERE number = 3)")  # fmt: skip
    after = [shard.broken for shard in await verified(books, since_ms=since_ms) if shard.broken]

    assert before == [1]
    assert len(after) == 1


async def test_entries_from_before_numbering_are_in_the_first_seal(books: Database) -> None:
    """An installation that had books before it had seals."""
    await book(books, 6, one_donor=True)
    tamper(
        books.url,
        "ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_numbered",
        "UPDATE ledger_entry SET entry_number = NULL",
    )
    await book(books, 2, one_donor=True)

    await seal(books)

    assert await entries_sealed(books) == 16
    assert await broken(books) == []


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger_seal SET entries = 1", "DELETE FROM ledger_seal", "TRUNCATE ledger_seal"],
)
async def test_seals_are_only_added_to(books: Database, statement: str) -> None:
    """The database refuses, as it does for entries."""
    await book(books, 1)
    await seal(books)

    with pytest.raises(psycopg.errors.RestrictViolation):
        async with books.transaction() as connection:
            await connection.execute(statement.encode())


async def test_an_entry_without_a_number_is_refused(books: Database) -> None:
    """Or else it would lie outside every seal."""
    with pytest.raises(psycopg.errors.CheckViolation):
        async with books.transaction() as connection:
            await connection.execute(
                "INSERT INTO ledger_entry VALUES (%s, 1, %s, 'bank:usd', 1, 'USD', 'x', %s, now(), "
                "NULL), (%s, 2, %s, 'bank:usd', -1, 'USD', 'x', %s, now(), NULL)",
                (*[uuid4() for _ in range(3)], *[uuid4() for _ in range(3)]),
            )


async def test_balances_are_the_sums_of_the_accounts(books: Database) -> None:
    """Assets positive, income negative, all together nothing."""
    await book(books, 3)

    found = {b.account: (b.money, b.entries) for b in await balances(books)}

    assert found == {
        "charity_income:101": (Money(-15000, "USD"), 3),
        "gateway_receivable:sandbox": (Money(15000, "USD"), 3),
    }
