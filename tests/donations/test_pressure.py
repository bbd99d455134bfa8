"""Pressure: what floods one kind of work takes nothing from giving, and no wait is without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from almoner.platform.db import Database
from almoner.platform.errors import Overloaded
from support.donor import Donor
from support.installation import Installation, Installations, NewDatabase
from support.proxy import Wire

SLOW = "fake-slow-nonce"


@pytest.fixture
async def wire(new_database: NewDatabase) -> AsyncIterator[Wire]:
    """A database behind a wire."""
    async with Wire(new_database()) as wire:
        yield wire


@asynccontextmanager
async def busy(database: Database) -> AsyncIterator[None]:
    """Every connection of a pool is at work, as with questions that take long."""
    async with AsyncExitStack() as stack:
        while True:
            try:
                async with asyncio.timeout(1):
                    connection = await stack.enter_async_context(database.connection())
            except (TimeoutError, Overloaded):
                break
            await connection.execute("SELECT 1")
        yield


@pytest.mark.parametrize("flooded", ["reads", "status", "webhooks", "giving"])
async def test_a_flood_of_one_kind_takes_nothing_from_giving(
    installation: Installations, flooded: str
) -> None:
    """All connections for the list, for status, for webhooks, for looking charities up: gifts are
    paid as quickly as ever, and a used key is recognised."""
    almoner = await installation(wait_ms=200)
    donor, key = Donor(almoner), str(uuid4())
    await donor.gives(key=key)

    async with busy(getattr(almoner.web.pools, flooded)), asyncio.timeout(10):
        answers = await asyncio.gather(*(donor.gives() for _ in range(20)))
        recognised = await donor.gives(key=key, amount="0")

    assert [answer.status_code for answer in answers] == [201] * 20
    assert told(recognised) == (422, "key_reused")


async def test_what_is_flooded_is_refused_soon_and_served_again_afterwards(
    installation: Installations,
) -> None:
    """503 `overloaded` within the wait for a place; nobody waits for a connection for ever."""
    almoner = await installation(wait_ms=200, waiting_max=2)
    donor = Donor(almoner)
    given = await donor.gives()
    address = f"/donations/{given.json()['donation_id']}"
    headers = {"Authorization": f"Bearer {given.json()['read_token']}"}

    async with busy(almoner.web.pools.status), asyncio.timeout(5):
        answers = await asyncio.gather(
            *(almoner.client.get(address, headers=headers) for _ in range(10))
        )

    assert {(a.status_code, a.json()["code"]) for a in answers} == {(503, "overloaded")}
    assert all(3 <= int(a.headers["Retry-After"]) <= 8 for a in answers)
    assert (await donor.sees(given))["status"] == "success"


async def test_a_slow_search_is_ended_and_giving_does_not_notice(almoner: Installation) -> None:
    """The server ends the statement, whoever asked."""
    pools = almoner.web.pools

    async def search_slowly() -> Exception | None:
        try:
            await pools.reads.fetch_all("SELECT pg_sleep(60)")
        except Exception as error:  # noqa: BLE001 - looked at below
            return error
        return None

    searches = [asyncio.create_task(search_slowly()) for _ in range(8)]
    paid = await Donor(almoner).gives()

    assert paid.status_code == 201
    async with asyncio.timeout(20):
        ended = await asyncio.gather(*searches)
    assert {getattr(error, "http_status", None) for error in ended} == {503}


async def test_more_gifts_than_there_are_places_wait_or_are_refused(
    installation: Installations,
) -> None:
    """Two at work, one waits for its turn, the others are told at once; nothing of those was
    written down."""
    almoner = await installation(
        sandbox_latency_ms=700, gifts_max=2, gifts_waiting_max=1, gifts_wait_ms=5_000
    )
    donor = Donor(almoner)

    answers = await asyncio.gather(*(donor.gives() for _ in range(8)))

    assert sorted(a.status_code for a in answers) == [201] * 3 + [503] * 5
    assert {a.json()["code"] for a in answers if a.status_code == 503} == {"overloaded"}
    assert await almoner.value("SELECT count(*) FROM idempotency_record") == 3


async def test_a_place_is_held_until_the_outcome_is_written(installation: Installations) -> None:
    """The donor is told 202 and has gone; the charge still goes on and counts."""
    almoner = await installation(
        sandbox_latency_ms=1_500, donor_wait_ms=100, gifts_max=1, gifts_waiting_max=0
    )
    donor = Donor(almoner)
    told = await donor.gives()

    refused = await donor.gives()
    await almoner.until_idle()
    then = await donor.gives()

    assert [a.status_code for a in (told, refused, then)] == [202, 503, 202]


async def test_a_repeated_key_is_never_refused_for_lack_of_a_place(
    installation: Installations,
) -> None:
    """While all places are taken: a live attempt of this process, one of another process, and a
    gift that is done are each told as they stand; another content is told so too. For its own
    process needs to ask nobody."""
    first = await installation(
        sandbox_latency_ms=2_500, donor_wait_ms=100, gifts_max=1, gifts_waiting_max=0
    )
    other = await installation(
        database_url=first.settings.servers.database_url,
        sandbox_database_url=first.settings.sandbox_url,
    )
    here, there, done = (
        {"key": str(uuid4()), "email": f"{name}@example.com"} for name in ("here", "there", "done")
    )
    paid = await Donor(other).gives(**done)
    elsewhere = asyncio.create_task(Donor(other).gives(**there, payment_method_nonce=SLOW))
    while await first.value("SELECT count(*) FROM donation") < 2:  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(0.01)
    assert (await Donor(first).gives(**here)).status_code == 202

    donor = Donor(first)
    full = await donor.gives()
    again = [await donor.gives(**gift) for gift in (here, there, done)]
    changed = await donor.gives(**{**done, "amount": "51.00"})
    async with busy(first.web.pools.recall):
        unasked = await donor.gives(**here)

    assert (full.status_code, full.json()["code"]) == (503, "overloaded")
    assert [told(a) for a in again] == [(409, "in_flight"), (409, "in_flight"), (201, None)]
    assert again[2].content == paid.content
    assert told(changed) == (422, "key_reused")
    assert told(unasked) == (409, "in_flight")
    await elsewhere
    await first.until_idle()
    await other.until_idle()


async def test_a_database_that_hangs_keeps_no_donor_for_ever(
    wire: Wire, installation: Installations
) -> None:
    """It accepts connections and answers nothing, before the gift is written: the donor has an
    answer within donor's wait and database's wait together, and nothing is charged. When it goes
    on the same key is paid, once."""
    almoner = await installation(
        database_url=wire.url, donor_wait_ms=3_000, database_wait_ms=1_500, statement_ms=500
    )
    donor, key = Donor(almoner), str(uuid4())
    await donor.gives()
    wire.freeze()

    async with asyncio.timeout(3.0 + 1.5 + 1.0):
        answers = await asyncio.gather(
            donor.gives(key=key, email="patient@example.com"), *(donor.gives() for _ in range(5))
        )

    assert {a.status_code for a in answers} == {503}
    assert len(await almoner.charged()) == 1
    wire.thaw()
    async with asyncio.timeout(30):
        back = await until_paid(donor, key)
    assert back.status_code == 201
    assert len(await almoner.charged()) == 2


async def test_a_database_that_hangs_during_the_charge_is_told_as_processing(
    wire: Wire, installation: Installations
) -> None:
    """The charge was made and the commit of its outcome hangs: 202 after the donor's wait, and it
    is booked once when the database goes on."""
    almoner = await installation(
        database_url=wire.url, sandbox_latency_ms=400, donor_wait_ms=1_500, statement_ms=500
    )
    donor = Donor(almoner)
    giving = asyncio.create_task(donor.gives())
    await almoner.until_charged()
    wire.freeze()

    async with asyncio.timeout(5):
        answer = await giving
    wire.thaw()
    async with asyncio.timeout(30):
        await almoner.until_idle()

    assert answer.status_code == 202
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 2
    assert len(await almoner.charged()) == 1


async def test_more_open_requests_than_allowed_are_refused_as_a_problem(
    installation: Installations,
) -> None:
    """At once, without the framework or the database; probes, metrics and gifts go on."""
    almoner = await installation(requests_max=2)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(almoner.web.requests)

        refused = await almoner.client.get("/config")
        paid = await Donor(almoner).gives()
        probes = [
            (await almoner.client.get(path)).status_code
            for path in ("/healthz", "/readyz", "/metrics")
        ]

    assert told(refused) == (503, "overloaded")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["Retry-After"]
    assert paid.status_code == 201
    assert probes == [200, 200, 200]
    assert (await almoner.client.get("/config")).status_code == 200


async def test_the_metrics_tell_how_full_everything_is(almoner: Installation) -> None:
    """Each lane and each batcher, with nothing personal."""
    await Donor(almoner).gives()
    almoner.web.report()

    text = (await almoner.client.get("/metrics")).text

    for lane in ("gifts", "requests", "streams", "reads", "status", "webhooks", "giving"):
        assert f'almoner_lane_at_work{{lane="{lane}"}}' in text
    for batcher in ("intents", "settlements", "recalls"):
        assert f'almoner_batcher_waiting{{batcher="{batcher}"}}' in text
        assert f'almoner_batcher_oldest_seconds{{batcher="{batcher}"}}' in text


async def until_paid(donor: Donor, key: str) -> httpx.Response:
    """Repeat a gift with its key, as the page does, until it is not 503 or in flight."""
    while True:
        answer = await donor.gives(key=key, email="patient@example.com")
        if answer.status_code not in (409, 503):
            return answer
        await asyncio.sleep(0.1)


def told(answer: httpx.Response) -> tuple[int, Any]:
    """Status and code."""
    return answer.status_code, answer.json().get("code")
