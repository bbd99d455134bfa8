"""The database goes away in the middle of a gift."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from almoner.platform.db import DatabaseAway
from support.donor import Donor
from support.installation import Installation, Installations, NewDatabase
from support.proxy import Wire


@pytest.fixture
async def wire(new_database: NewDatabase) -> AsyncIterator[Wire]:
    """A database behind a wire."""
    async with Wire(new_database()) as wire:
        yield wire


async def test_a_gift_that_cannot_be_written_is_not_charged_and_keeps_its_key(
    wire: Wire, installation: Installations
) -> None:
    """503 with Retry-After while the database is away; the same key succeeds when it is back."""
    almoner = await installation(database_url=wire.url, database_wait_ms=300)
    donor, key = Donor(almoner), str(uuid4())
    await donor.gives()
    wire.cut()

    away = await donor.gives(key=key, email="patient@example.com")
    assert (away.status_code, away.json()["code"]) == (503, "unavailable")
    assert away.headers["Retry-After"]
    assert len(await almoner.charged()) == 1

    wire.mend()
    back = await until_paid(donor, key)
    assert back.status_code == 201
    assert len(await almoner.charged()) == 2


async def test_nobody_is_told_processing_before_the_gift_is_written_down(
    wire: Wire, installation: Installations
) -> None:
    """The donor's wait ends while the database is away: no 202 for a gift that may never exist."""
    almoner = await installation(database_url=wire.url, donor_wait_ms=100, database_wait_ms=600)
    donor = Donor(almoner)
    await donor.gives()
    wire.cut()

    answer = await donor.gives()

    assert answer.status_code == 503
    wire.mend()


async def test_a_short_absence_is_waited_out(wire: Wire, installation: Installations) -> None:
    """The database is back within the wait: the donor notices nothing but the time."""
    almoner = await installation(database_url=wire.url, database_wait_ms=5_000)
    wire.cut()
    asyncio.get_running_loop().call_later(0.4, wire.mend)

    answer = await Donor(almoner).gives()

    assert answer.status_code == 201
    assert len(await almoner.charged()) == 1


async def test_a_commit_whose_answer_is_lost_still_makes_one_gift(
    wire: Wire, installation: Installations
) -> None:
    """The intent was committed and the connection broke: the second try knows its own stamp."""
    almoner = await installation(database_url=wire.url)
    wire.lose_commits(1)

    answer = await Donor(almoner).gives()

    assert wire.commits_lost == 1
    assert answer.status_code == 201, answer.text
    assert len(await almoner.charged()) == 1


async def test_an_outcome_whose_commit_is_lost_is_booked_once(
    wire: Wire, installation: Installations
) -> None:
    """The charge was made and the commit of its outcome went unanswered."""
    almoner = await installation(database_url=wire.url, sandbox_latency_ms=300)
    gift = asyncio.create_task(Donor(almoner).gives())
    await almoner.until_charged()
    wire.lose_commits(1)

    answer = await gift

    assert wire.commits_lost == 1
    assert answer.status_code == 201
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 2
    assert await almoner.value("SELECT count(*) FROM event") == 1


async def test_a_charge_whose_outcome_cannot_be_written_is_told_as_processing(
    wire: Wire, installation: Installations
) -> None:
    """The database goes while the gateway works: 202, and the outcome is written later."""
    almoner = await installation(
        database_url=wire.url, sandbox_latency_ms=200, donor_wait_ms=900, database_wait_ms=300
    )
    donor = Donor(almoner)
    gift = asyncio.create_task(donor.gives())
    await almoner.until_charged()
    wire.cut()

    answer = await gift
    assert answer.status_code == 202

    wire.mend()
    await almoner.until_idle()
    assert (await donor.sees(answer))["status"] == "success"
    assert len(await almoner.charged()) == 1


async def test_a_stamp_that_was_committed_and_never_sent_is_withdrawn(
    wire: Wire, installation: Installations
) -> None:
    """Every answer of the database is lost until the donor is told 503; the stamp is there. When
    the database is back it becomes NOT_SENT, and the same key makes another attempt."""
    almoner = await installation(database_url=wire.url, database_wait_ms=200)
    donor, key = Donor(almoner), str(uuid4())
    wire.lose_commits(1)
    told = asyncio.create_task(donor.gives(key=key, email="patient@example.com"))
    await wire.commit_lost.wait()
    wire.cut()

    assert (await told).status_code == 503
    assert await almoner.charged() == []

    wire.mend()
    back = await until_paid(donor, key)
    assert back.status_code == 201
    states = await almoner.database.fetch_all("SELECT state FROM payment_attempt ORDER BY number")
    assert [row["state"] for row in states] == ["NOT_SENT", "SUBMITTED"]
    assert len(await almoner.charged()) == 1


async def test_a_second_attempt_that_was_committed_and_never_sent_is_withdrawn_too(
    wire: Wire, installation: Installations
) -> None:
    """The same once more, for the attempt that followed the withdrawn one: whichever number the
    stamp got, its request owns it. The third attempt pays."""
    almoner = await installation(database_url=wire.url, database_wait_ms=200)
    donor, key = Donor(almoner), str(uuid4())

    for times in (1, 2):
        wire.lose_commits(1)
        wire.commit_lost.clear()
        told = asyncio.create_task(donor.gives(key=key, email="patient@example.com"))
        await wire.commit_lost.wait()
        wire.cut()
        assert (await told).status_code == 503
        wire.mend()
        await until_withdrawn(almoner, times)
    back = await until_paid(donor, key)

    assert back.status_code == 201
    states = await almoner.database.fetch_all("SELECT state FROM payment_attempt ORDER BY number")
    assert [row["state"] for row in states] == ["NOT_SENT", "NOT_SENT", "SUBMITTED"]
    assert len(await almoner.charged()) == 1


async def until_withdrawn(almoner: Installation, times: int) -> None:
    """Wait until so many attempts are withdrawn."""
    count = "SELECT count(*) FROM payment_attempt WHERE state = 'NOT_SENT'"
    async with asyncio.timeout(20):
        while await _value(almoner, count) != times:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.1)


async def _value(almoner: Installation, sql: str) -> object:
    """The value, or nothing while the database is away."""
    try:
        return await almoner.value(sql)
    except DatabaseAway:
        return None


async def test_a_repeated_request_never_withdraws_what_the_first_has_sent(
    wire: Wire, installation: Installations
) -> None:
    """The first is at the gateway when the database goes; the second, with the same key through
    another process, gives up. The stamp is the first one's: it stays, and there is one charge."""
    almoner = await installation(
        database_url=wire.url, sandbox_latency_ms=1_500, database_wait_ms=200
    )
    other = await installation(
        database_url=wire.url,
        sandbox_database_url=almoner.settings.sandbox_url,
        database_wait_ms=200,
    )
    donor, key = Donor(almoner), str(uuid4())
    first = asyncio.create_task(donor.gives(key=key, email="patient@example.com"))
    await almoner.until_charged()
    wire.cut()
    second = await Donor(other).gives(key=key, email="patient@example.com")
    wire.mend()
    await other.until_withdrawn()
    states = await almoner.database.fetch_all("SELECT state FROM payment_attempt")

    assert second.status_code == 503
    assert [row["state"] for row in states] == ["DISPATCHED"]
    assert (await first).status_code == 201
    assert len(await almoner.charged()) == 1


async def test_a_second_attempt_whose_commit_is_lost_is_charged_once(
    wire: Wire, installation: Installations
) -> None:
    """A key whose first stamp was withdrawn, and the commit of its next one goes unanswered: the
    request knows its own stamp, whichever number it has."""
    almoner = await installation(database_url=wire.url, database_wait_ms=200)
    donor, key = Donor(almoner), str(uuid4())
    wire.lose_commits(1)
    told = asyncio.create_task(donor.gives(key=key, email="patient@example.com"))
    await wire.commit_lost.wait()
    wire.cut()
    assert (await told).status_code == 503
    wire.mend()
    await almoner.until_withdrawn()
    wire.lose_commits(1)

    back = await until_paid(donor, key)

    assert (back.status_code, wire.commits_lost) == (201, 2)
    assert len(await almoner.charged()) == 1


async def test_a_withdrawn_gift_is_not_called_unpaid(
    wire: Wire, installation: Installations
) -> None:
    """Another request with its key, or the journal of another process, may yet be charged."""
    almoner = await installation(database_url=wire.url, database_wait_ms=200)
    wire.lose_commits(1)
    told = asyncio.create_task(Donor(almoner).gives())
    await wire.commit_lost.wait()
    wire.cut()
    assert (await told).status_code == 503
    wire.mend()
    await almoner.until_withdrawn()
    donation_id = await almoner.value("SELECT donation_id FROM donation")

    seen = await almoner.client.get(
        f"/donations/{donation_id}",
        headers={"Authorization": f"Bearer {almoner.web.read_tokens.sign(donation_id.hex)}"},
    )

    assert (seen.json()["status"], seen.json()["error_message"]) == ("pending", None)


async def test_a_withdrawn_gift_that_comes_again_is_asked_about_like_any_other(
    wire: Wire, installation: Installations
) -> None:
    """Its stamp was withdrawn, its donor gave from another tab meanwhile; then the first tab sends
    again by itself. That would be a second charge which nobody asked for."""
    almoner = await installation(database_url=wire.url, database_wait_ms=200)
    donor, key = Donor(almoner), str(uuid4())
    wire.lose_commits(1)
    told = asyncio.create_task(donor.gives(key=key, email="patient@example.com"))
    await wire.commit_lost.wait()
    wire.cut()
    assert (await told).status_code == 503
    wire.mend()
    await almoner.until_withdrawn()
    other_tab = await donor.gives(email="patient@example.com")

    again = await donor.gives(key=key, email="patient@example.com")
    confirmed = await donor.gives(key=key, email="patient@example.com", confirm_duplicate=True)

    assert other_tab.status_code == 201
    assert (again.status_code, again.json()["code"]) == (409, "possible_duplicate")
    assert confirmed.status_code == 201
    assert len(await almoner.charged()) == 2


async def test_reading_a_donation_while_the_database_is_away_says_nothing_untrue(
    wire: Wire, installation: Installations
) -> None:
    """503, neither found nor not found."""
    almoner = await installation(database_url=wire.url, database_wait_ms=200)
    told = (await Donor(almoner).gives()).json()
    wire.cut()

    answer = await almoner.client.get(
        f"/donations/{told['donation_id']}",
        headers={"Authorization": f"Bearer {told['read_token']}"},
    )

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    wire.mend()


async def until_paid(donor: Donor, key: str) -> httpx.Response:
    """Repeat a gift with its key, as the page does, until it is not 503 or in flight."""
    while True:
        answer = await donor.gives(key=key, email="patient@example.com")
        if answer.status_code not in (409, 503):
            return answer
        await asyncio.sleep(0.1)
