"""What is written into the outbox reaches every consumer, in order, whatever happens between."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import psycopg

from almoner.events.deliver import Deliverer
from almoner.events.outbox import tell
from almoner.events.relay import Relay
from almoner.platform.db import Database
from events.conftest import Tell, event
from events.recorder import Recorder, heard
from support.proxy import Wire

UNPUBLISHED = "SELECT count(*) AS n FROM event WHERE published_at IS NULL"


async def count(database: Database, sql: str) -> int:
    """A number of the database."""
    row = await database.fetch_one(sql)
    assert row is not None
    return int(row["n"])


async def hear(database: Database, recorder: Recorder) -> None:
    """Publish and deliver until nothing is due."""
    await Relay(database, [recorder]).step()
    while await Deliverer(database, recorder).step():
        pass


async def test_every_event_is_published_and_heard_in_order(database: Database, tells: Tell) -> None:
    """Fifty donations of three events each: each is heard once, the steps in their order."""
    donations = await tells(50, steps=3)

    await hear(database, Recorder())

    assert heard(database.url) == {key: [0, 1, 2] for key in donations}
    assert await count(database, UNPUBLISHED) == 0
    assert await count(database, "SELECT count(*) AS n FROM delivery") == 0


async def test_an_event_that_commits_late_is_not_passed_over(
    database: Database, tells: Tell
) -> None:
    """Numbers are given before the commit: the lower one may become visible after the higher."""
    late = uuid4()
    recorder = Recorder()
    async with database.transaction() as slow:
        await tell(slow, [event(late, uuid4(), 0)])
        quick = await tells(1)
        await hear(database, recorder)
        heard_before = heard(database.url)

    await hear(database, recorder)

    assert heard_before == {quick[0]: [0]}
    assert heard(database.url) == {quick[0]: [0], late: [0]}


async def test_many_relays_and_deliverers_keep_the_order(database: Database, tells: Tell) -> None:
    """Six of each at once, in small batches, while new events keep coming."""
    recorder = Recorder()
    relays = [Relay(database, [recorder], batch=7) for _ in range(6)]
    deliverers = [Deliverer(database, recorder) for _ in range(6)]
    telling = asyncio.ensure_future(tells(60, steps=6))
    while not telling.done() or await count(
        database, f"SELECT ({UNPUBLISHED}) + (SELECT count(*) FROM delivery) AS n"
    ):
        await asyncio.gather(*(relay.step() for relay in relays), *(d.step() for d in deliverers))

    assert heard(database.url) == {key: [0, 1, 2, 3, 4, 5] for key in await telling}


async def test_a_locked_event_holds_up_its_own_donation_alone(
    database: Database, tells: Tell
) -> None:
    """The relay skips a row that something else has locked, and what comes after it."""
    donor_id = uuid4()
    held, free = await tells(2, steps=2, donor_id=donor_id)
    recorder = Recorder()
    async with database.transaction() as other:
        await other.execute(
            "SELECT FROM event WHERE donation_id = %s AND payload ->> 'step' = '0' FOR UPDATE",
            (held,),
        )
        await hear(database, recorder)
        meanwhile = heard(database.url)

    await hear(database, recorder)

    assert meanwhile == {free: [0, 1]}
    assert heard(database.url) == {free: [0, 1], held: [0, 1]}


async def test_a_relay_whose_commit_is_lost_publishes_once(database: Database, tells: Tell) -> None:
    """The answer to the commit never comes: the next round finds it done."""
    donations = await tells(3, donor_id=uuid4())
    recorder = Recorder()
    await Relay(database, [recorder]).subscribe()
    async with Wire(database.url) as wire:
        through = Database(wire.url, size=1)
        await through.open()
        relay = Relay(through, [recorder])
        await relay.subscribe()
        wire.lose_commits(1)
        await asyncio.gather(relay.step(), return_exceptions=True)
        await through.close()

    await hear(database, recorder)

    assert wire.commits_lost == 1
    assert heard(database.url) == {donation: [0] for donation in donations}


async def test_a_relay_that_is_killed_before_its_commit_publishes_later(
    database: Database, tells: Tell
) -> None:
    """Another transaction makes it wait in the middle; it dies there; nothing is half-done."""
    donation = (await tells(1))[0]
    recorder = Recorder()
    relay = Relay(database, [recorder])
    await relay.subscribe()
    async with database.transaction() as other:
        await other.execute("LOCK TABLE delivery IN ACCESS EXCLUSIVE MODE")
        dying = asyncio.create_task(relay.step())
        await until_waiting(database.url)
        dying.cancel()
        await asyncio.wait({dying})
    unpublished = await count(database, UNPUBLISHED)

    await hear(database, recorder)

    assert unpublished == 1
    assert heard(database.url) == {donation: [0]}


async def test_a_new_consumer_hears_of_the_past_if_it_wants(
    database: Database, tells: Tell
) -> None:
    """One begins at the beginning, the other with what comes after it."""
    await hear(database, Recorder("first"))
    old = await tells(3)
    await hear(database, Recorder("first"))
    historian, newcomer = Recorder("historian", past=True), Recorder("newcomer")
    await Relay(database, [historian, newcomer]).subscribe()
    new = await tells(2)

    await hear(database, historian)
    await hear(database, newcomer)

    assert set(heard(database.url, "historian")) == {*old, *new}
    assert set(heard(database.url, "newcomer")) == set(new)


async def test_a_relay_of_an_older_version_publishes_to_newer_consumers_too(
    database: Database, tells: Tell
) -> None:
    """Who subscribed is known to the database, not to the process that publishes."""
    newer = Recorder("newer")
    await Relay(database, [newer]).subscribe()
    donations = await tells(2)

    await Relay(database, []).step()
    await Deliverer(database, newer).step()

    assert set(heard(database.url, "newer")) == set(donations)


async def test_an_event_that_nobody_wants_is_published_all_the_same(
    database: Database, tells: Tell
) -> None:
    """It must not wait for ever for a consumer that does not exist."""
    await tells(1)

    await hear(database, Recorder(kind="donation.settled"))

    assert await count(database, UNPUBLISHED) == 0
    assert heard(database.url) == {}


async def until_waiting(database_url: str) -> None:
    """Wait until somebody in this database waits for a lock."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as watching:
        while not (  # noqa: ASYNC110 - nobody tells us
            await (
                await watching.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                    "AND wait_event_type = 'Lock'"
                )
            ).fetchone()
        ):
            await asyncio.sleep(0.01)
