"""Streams: an open page is told of its gift, soon, truly and never backwards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from almoner.donations import stream as streams
from almoner.donations import watch as watches
from almoner.donations.changes import Changes
from almoner.platform.cache import open_cache
from support.donor import Donor
from support.installation import Installation, Installations
from support.listening import following, listening

LOST = "fake-lost-answer-nonce"


@pytest.fixture
def no_slow_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only messages tell of changes; the questions in between come too late."""
    monkeypatch.setattr(watches, "FIRST_LOOK_S", 600.0)


@pytest.mark.usefixtures("no_slow_looks")
async def test_a_change_is_told_at_once(almoner: Installation, donor: Donor) -> None:
    """The gift stands in doubt; the resolver, in another process, finds the charge; the page hears
    of it by a message and sees success. Then the stream ends."""
    told = (await donor.gives(payment_method_nonce=LOST)).json()
    await asyncio.sleep(1.1)

    async with listening(almoner) as client, following(client, told) as page:
        assert (await page.hears())["retry"].isdigit()
        first = await page.sees()
        await almoner.resolve_now()
        async with asyncio.timeout(5):
            then, end = await page.sees(), await page.sees()

    assert first is not None
    assert then is not None
    assert (first["status"], then["status"], end) == ("processing", "success", None)
    assert then["version"] > first["version"]
    headers = page.response.headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")


async def test_a_process_that_is_stopped_while_it_begins_to_listen_ends(redis_url: str) -> None:
    """At whatever moment of connecting to Valkey: a web process that hangs there would be killed
    by its supervisor, with gifts under way."""
    async with asyncio.timeout(20):
        for moment in range(60):
            cache = open_cache(redis_url)
            changes = Changes(cache, "a channel of this test")
            changes.listen(lambda ids: None, lambda: None)
            await changes.open()
            await asyncio.sleep(moment / 10_000)

            await changes.close()

            await cache.aclose()


async def test_without_valkey_a_change_is_found_by_asking(installation: Installations) -> None:
    """A few seconds later."""
    almoner = await installation(redis_url="")
    told = (await Donor(almoner).gives(payment_method_nonce=LOST)).json()

    async with listening(almoner) as client, following(client, told) as page:
        first = await page.sees()
        await almoner.resolve_now()
        async with asyncio.timeout(10):
            then = await page.sees()

    assert first is not None
    assert then is not None
    assert (first["status"], then["status"]) == ("processing", "success")


async def test_many_watchers_are_one_question(
    installation: Installations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty pages of ten gifts: each look asks for all ten at once."""
    almoner = await installation(redis_url="")
    donor = Donor(almoner)
    told = [(await donor.gives(payment_method_nonce=LOST)).json() for _ in range(10)]
    asked: list[int] = []
    read_many = almoner.web.watching._read_many

    async def counted(ids: Any) -> Any:
        asked.append(len(ids))
        return await read_many(ids)

    monkeypatch.setattr(almoner.web.watching, "_read_many", counted)

    async with listening(almoner) as client:

        async def follows(gift: dict[str, Any]) -> list[str]:
            async with following(client, gift) as page:
                seen = [await page.sees(), await page.sees()]
            return [view["status"] for view in seen if view]

        pages = asyncio.gather(*(follows(gift) for gift in told * 2))
        while almoner.web.streams.at_work < 20:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)
        await almoner.resolve_now()
        async with asyncio.timeout(20):
            seen = await pages

    assert seen == [["processing", "success"]] * 20
    assert len(asked) <= 4
    assert max(asked) == 10


async def test_a_final_gift_is_told_and_the_stream_ends(
    almoner: Installation, donor: Donor
) -> None:
    """Whoever comes late hears it at once."""
    told = (await donor.gives(amount="2001.00")).json()

    async with listening(almoner) as client, following(client, told) as page:
        seen, end = await page.sees(), await page.sees()

    assert seen is not None
    assert (seen["status"], seen["code"], end) == ("failure", "insufficient_funds", None)


@pytest.mark.parametrize("ahead", [0, 1])
async def test_nothing_older_than_what_was_seen_is_told(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """A page that comes back says what it saw: the same again is told, something older is not."""
    monkeypatch.setattr(streams, "LIFE_S", 0.3)
    gift = await donor.gives(payment_method_nonce=LOST)
    version = (await donor.sees(gift))["version"]

    async with listening(almoner) as client:
        headers = {"Last-Event-ID": str(version + ahead)}
        async with following(client, gift.json(), **headers) as page:
            seen = await page.sees()

    assert (seen is None) is bool(ahead)


@pytest.mark.parametrize("header", ["", "x", "-1", "١٢", "9" * 40, "1.5"])
def test_an_id_that_we_never_gave_counts_as_none(header: str) -> None:
    """Whatever a client sends."""
    assert streams.last_event_id(header) == 0


async def test_while_nothing_happens_a_sign_of_life_is_sent_and_then_the_stream_ends(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments in between; at the end, when to come back."""
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(streams, "LIFE_S", 0.55)
    told = (await donor.gives(payment_method_nonce=LOST)).json()
    heard = []

    async with listening(almoner) as client, following(client, told) as page:
        while block := await page.hears():
            heard.append(next(iter(block)))

    assert heard[:2] == ["retry", "id"]
    assert heard.count("comment") >= 3
    assert heard[-1] == "retry"


async def test_a_gift_is_followed_with_its_own_token_only(
    almoner: Installation, donor: Donor
) -> None:
    """404 as a problem, like the donation itself; the token is never part of the address."""
    told = (await donor.gives()).json()
    other = (await donor.gives()).json()

    for token in ("", other["read_token"]):
        answer = await almoner.client.get(
            f"/donations/{told['donation_id']}/events?ticket={told['read_token']}",
            headers={"Authorization": f"Bearer {token}"},
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_too_many_streams_are_told_to_ask_instead(installation: Installations) -> None:
    """503 `overloaded`; the donation itself can be asked for, and a place is free again when a
    page has gone."""
    almoner = await installation(streams_max=1)
    donor = Donor(almoner)
    gift = await donor.gives(payment_method_nonce=LOST)

    async with listening(almoner) as client:
        async with following(client, gift.json()) as page:
            await page.sees()
            async with following(client, gift.json()) as refused:
                await refused.response.aread()
        async with asyncio.timeout(5):
            while almoner.web.streams.at_work:  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.01)
        async with following(client, gift.json()) as again:
            seen = await again.sees()

    assert refused.response.status_code == 503
    assert refused.response.json()["code"] == "overloaded"
    assert seen is not None
    assert (await donor.sees(gift))["status"] == "processing"


async def test_one_gift_takes_no_more_than_a_few_streams(
    almoner: Installation, donor: Donor
) -> None:
    """Whoever holds one token cannot take all the places."""
    told = (await donor.gives(payment_method_nonce=LOST)).json()

    async with listening(almoner) as client:
        async with asyncio.timeout(20):
            pages = [following(client, told) for _ in range(watches.WATCHERS_PER_DONATION_MAX + 1)]
            codes = [(await page.__aenter__()).response.status_code for page in pages]
            for page in pages:
                await page.__aexit__(None, None, None)

    assert codes == [200] * watches.WATCHERS_PER_DONATION_MAX + [503]


async def test_a_process_that_stops_sends_its_pages_elsewhere(
    almoner: Installation, donor: Donor
) -> None:
    """The stream ends at once, saying when to come back."""
    told = (await donor.gives(payment_method_nonce=LOST)).json()

    async with listening(almoner) as client, following(client, told) as page:
        await page.sees()
        almoner.web.end_streams()
        async with asyncio.timeout(5):
            last, end = await page.hears(), await page.hears()

    assert set(last) == {"retry"}
    assert end == {}


async def test_head_of_a_stream_ends(almoner: Installation, donor: Donor) -> None:
    """The headers alone."""
    told = (await donor.gives(payment_method_nonce=LOST)).json()

    answer = await almoner.client.head(
        f"/donations/{told['donation_id']}/events",
        headers={"Authorization": f"Bearer {told['read_token']}"},
    )

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
