"""A consumer's effect happens once for each event, and what fails stops nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest
import structlog

from almoner.donations.telling import KINDS
from almoner.events.deliver import TRIES_MAX, Deliverer, Patience
from almoner.events.event import Event
from almoner.events.parked import parked, retry
from almoner.events.queue_length import measure
from almoner.events.relay import Relay
from almoner.events.write_log import LogWriter
from almoner.platform.db import Connection, Database
from events.conftest import Tell
from events.recorder import Recorder, heard
from support.proxy import Wire
from support.tamper import tamper


async def published(database: Database, *recorders: Recorder) -> None:
    """Publish everything there is."""
    await Relay(database, recorders).step()


async def deliver_until_quiet(deliverer: Deliverer) -> None:
    """Hand over until nothing is due."""
    while await deliverer.step():
        pass


def due_now(database: Database) -> None:
    """Let the time of the next try come."""
    tamper(database.url, "UPDATE delivery SET next_at = now() - interval '1 second'")


async def test_a_bad_event_stops_no_other_donation_and_is_not_overtaken(
    database: Database, tells: Tell
) -> None:
    """One donation cannot be handled: the others can, and its own later events wait behind it."""
    donor_id = uuid4()
    bad, *good = await tells(8, steps=2, donor_id=donor_id)
    recorder = Recorder()
    recorder.refuses = {bad}
    await published(database, recorder)
    deliverer = Deliverer(database, recorder)

    await deliver_until_quiet(deliverer)
    while_bad = heard(database.url)
    recorder.refuses = set()
    due_now(database)
    await deliver_until_quiet(deliverer)

    assert while_bad == {key: [0, 1] for key in good}
    assert heard(database.url) == {key: [0, 1] for key in [*good, bad]}


async def test_an_event_that_goes_on_failing_is_parked_and_can_be_retried(
    database: Database, tells: Tell
) -> None:
    """Ten tries, then people: it shows with the type of its error, and never with its text."""
    bad, good = await tells(2, steps=2, donor_id=uuid4())
    recorder = Recorder()
    recorder.refuses = {bad}
    await published(database, recorder)
    deliverer = Deliverer(database, recorder)
    with structlog.testing.capture_logs() as logs:
        for _ in range(TRIES_MAX + 2):
            await deliver_until_quiet(deliverer)
            due_now(database)
    lying = await parked(database)
    lengths = await measure(database)
    with_it_parked = heard(database.url)
    recorder.refuses = set()
    retried = await retry(database, consumer="recorder")
    await deliver_until_quiet(deliverer)

    assert [(p.donation_id, p.tries, p.error) for p in lying] == [(bad, TRIES_MAX, "ValueError")]
    assert lengths == {"recorder": (1, 1)}
    assert with_it_parked == {good: [0, 1]}
    assert (retried, heard(database.url)) == (1, {good: [0, 1], bad: [0, 1]})
    assert [entry["event"] for entry in logs].count("event_parked") == 1
    assert "example.com" not in repr(logs)


async def test_tries_come_later_and_later(database: Database, tells: Tell) -> None:
    """Five seconds, twenty, eighty, up to an hour."""
    (bad,) = await tells(1)
    recorder = Recorder()
    recorder.refuses = {bad}
    await published(database, recorder)
    waits = []
    for _ in range(7):
        due_now(database)
        await Deliverer(database, recorder).step()
        row = await database.fetch_one(
            "SELECT extract(epoch FROM next_at - now())::float8 AS wait_s FROM delivery"
        )
        assert row is not None
        waits.append(row["wait_s"])

    for wait_s, wanted_s in zip(waits, [5, 20, 80, 320, 1280, 3600, 3600], strict=True):
        assert wanted_s * 0.75 < wait_s < wanted_s * 1.25


async def test_a_consumer_that_can_do_nothing_rests(database: Database, tells: Tell) -> None:
    """It uses up three tries, not those of its whole queue, and tries again after a rest."""
    donor_id = uuid4()
    donations = await tells(30, donor_id=donor_id)
    recorder = Recorder()
    recorder.refuses = set(donations)
    await published(database, recorder)
    deliverer = Deliverer(database, recorder)

    handled = [await deliverer.step() for _ in range(5)]

    row = await database.fetch_one("SELECT count(*) AS n FROM delivery WHERE tries > 0")
    assert handled == [0] * 5
    assert row == {"n": 3}


async def test_a_slow_consumer_holds_up_nobody(database: Database, tells: Tell) -> None:
    """One hangs in the middle of its work; the other hears everything meanwhile."""
    donations = await tells(5)
    slow, quick = Recorder("slow"), Recorder("quick")
    slow.pause = asyncio.Event()
    await published(database, slow, quick)
    hanging = asyncio.create_task(Deliverer(database, slow).step())
    await slow.called.wait()

    await deliver_until_quiet(Deliverer(database, quick))
    meanwhile = heard(database.url, "quick"), heard(database.url, "slow")
    slow.pause.set()
    await hanging

    assert meanwhile == ({key: [0] for key in donations}, {})


async def test_a_consumer_that_takes_too_long_is_stopped(database: Database, tells: Tell) -> None:
    """Its effect is undone and the events come again."""
    (donation,) = await tells(1)
    recorder = Recorder()
    recorder.pause = asyncio.Event()
    await published(database, recorder)
    deliverer = Deliverer(database, recorder, Patience(handle_s=0.2))

    await deliverer.step()
    stopped = heard(database.url)
    recorder.pause = None
    due_now(database)
    await deliverer.step()

    assert stopped == {}
    assert heard(database.url) == {donation: [0]}


async def test_killed_after_its_effect_and_before_the_commit_it_happens_once(
    database: Database, tells: Tell
) -> None:
    """Effect and inbox stand together or not at all."""
    donations = await tells(4, donor_id=uuid4())
    recorder = Recorder()
    recorder.pause = asyncio.Event()
    await published(database, recorder)
    dying = asyncio.create_task(Deliverer(database, recorder).step())
    await recorder.called.wait()
    dying.cancel()
    await asyncio.wait({dying})
    after_death = heard(database.url)
    recorder.pause = None

    await deliver_until_quiet(Deliverer(database, recorder))

    assert after_death == {}
    assert heard(database.url) == {key: [0] for key in donations}


async def test_a_commit_whose_answer_is_lost_happens_once(database: Database, tells: Tell) -> None:
    """The deliverer cannot know that it was done; the next one finds nothing to do."""
    donations = await tells(4, donor_id=uuid4())
    recorder = Recorder()
    await published(database, recorder)
    async with Wire(database.url) as wire:
        through = Database(wire.url, size=1)
        await through.open()
        wire.lose_commits(1)
        await asyncio.gather(Deliverer(through, recorder).step(), return_exceptions=True)
        await through.close()

    await deliver_until_quiet(Deliverer(database, recorder))

    assert wire.commits_lost == 1
    assert heard(database.url) == {key: [0] for key in donations}


async def test_an_event_that_comes_twice_has_one_effect(database: Database, tells: Tell) -> None:
    """The inbox decides, whatever is delivered again."""
    (donation,) = await tells(1)
    recorder = Recorder()
    await published(database, recorder)
    await deliver_until_quiet(Deliverer(database, recorder))
    tamper(
        database.url,
        "INSERT INTO delivery (consumer, event_id, donor_id, donation_id, number, next_at) "
        "SELECT 'recorder', event_id, donor_id, donation_id, 0, now() FROM event",
    )

    await deliver_until_quiet(Deliverer(database, recorder))

    row = await database.fetch_one("SELECT count(*) AS n FROM delivery")
    assert heard(database.url) == {donation: [0]}
    assert row == {"n": 0}


async def test_a_database_that_goes_away_is_nobodys_failure(
    database: Database, tells: Tell
) -> None:
    """No try is counted against an event because its connection was cut."""
    await tells(3, donor_id=uuid4())
    recorder = Recorder()
    recorder.pause = asyncio.Event()
    await published(database, recorder)
    async with Wire(database.url) as wire:
        through = Database(wire.url, size=1, wait_ms=500)
        await through.open()
        step = asyncio.create_task(Deliverer(through, recorder).step())
        await recorder.called.wait()
        wire.cut()
        recorder.pause.set()
        (error,) = await asyncio.gather(step, return_exceptions=True)
        wire.mend()
        await through.close()

    row = await database.fetch_one("SELECT max(tries) AS tries FROM delivery")
    assert type(error).__name__ == "DatabaseAway"
    assert row == {"tries": 0}


async def test_a_broken_pipe_of_the_consumer_is_the_consumers_failure(
    database: Database, tells: Tell
) -> None:
    """An OSError of its own is no sign that the database is away."""

    class Broken(Recorder):
        async def handle(self, connection: Connection, events: Sequence[Event]) -> None:
            raise BrokenPipeError

    await tells(1)
    broken = Broken()
    await published(database, broken)

    await Deliverer(database, broken).step()

    row = await database.fetch_one("SELECT tries, failure FROM delivery")
    assert row == {"tries": 1, "failure": "BrokenPipeError"}


@pytest.mark.parametrize("consumers", [2, 5])
async def test_two_consumers_of_one_name_in_two_processes_hear_once(
    database: Database, tells: Tell, consumers: int
) -> None:
    """A partition belongs to one of them at a time."""
    donations = await tells(40, steps=2)
    recorder = Recorder()
    await published(database, recorder)
    deliverers = [Deliverer(database, recorder, Patience(batch=3)) for _ in range(consumers)]

    while sum(await asyncio.gather(*(deliverer.step() for deliverer in deliverers))):
        pass

    assert heard(database.url) == {key: [0, 1] for key in donations}


async def test_the_log_says_ids_and_amounts_and_no_link(database: Database) -> None:
    """Whatever a payload carries: what is not known to be harmless is not written down."""
    told = Event(
        uuid4(),
        uuid4(),
        uuid4(),
        "donation.payment_needed",
        {"amount_minor": 5000, "finish_path": "/finish/secret", "locale": "en", "code": "gone"},
        1_800_000_000_000,
    )

    with structlog.testing.capture_logs() as logs:
        async with database.connection() as connection:
            await LogWriter(KINDS).handle(connection, [told])

    assert logs == [
        {
            "event": "event_told",
            "log_level": "info",
            "event_id": str(told.event_id),
            "kind": "donation.payment_needed",
            "donation_id": str(told.donation_id),
            "occurred_at": "2027-01-15T08:00:00.000Z",
            "amount_minor": 5000,
            "code": "gone",
        }
    ]
