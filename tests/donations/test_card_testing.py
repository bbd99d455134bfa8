"""Somebody tries stolen cards on a charity's form; everybody else goes on giving."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
from structlog.testing import CapturedCall, CapturingLogger

from almoner.donations.errors import TakingABreak
from almoner.donations.levels import Level
from almoner.payments.gateway import Instrument
from almoner.payments.gateways.sandbox.instruments import SandboxInstruments
from almoner.platform.errors import FieldError
from support.donor import gift
from support.forms import solve, ticket
from support.installation import SERVICE_TOKEN, Installation, Installations

TRIED, OTHER = 101, 102
PAID, DECLINED, ASKED, WAIT, BREAK = 201, 402, 428, 429, 503
STOLEN = "fake-processor-declined-visa-nonce"
_addresses = (f"{a}.{b}.{c}.7" for a, b, c in itertools.product(range(11, 200), range(250), [1]))


@pytest.fixture
async def almoner(installation: Installations) -> Installation:
    """Public limits behind a proxy, and puzzles that a test can do."""
    return await installation(
        limits="standard", trusted_proxies="127.0.0.1", challenge_work=64, sandbox_latency_ms=0
    )


async def posts(
    almoner: Installation, body: dict[str, Any], *, address: str | None = None, key: str = ""
) -> httpx.Response:
    """One request, from an address of its own unless one is given."""
    return await almoner.client.post(
        "/donations",
        json=body,
        headers={
            "Idempotency-Key": key or str(uuid4()),
            "X-Forwarded-For": address or next(_addresses),
        },
    )


async def tries_cards(almoner: Installation, count: int, **fields: Any) -> list[int]:
    """A tester with many machines, who never does any work. What each card was answered."""
    fields = {"payment_method_nonce": STOLEN, "charity_id": TRIED, "amount": "1.00"} | fields
    answers = await asyncio.gather(*(posts(almoner, gift(**fields)) for _ in range(count)))
    return [answer.status_code for answer in answers]


async def works(almoner: Installation, body: dict[str, Any]) -> httpx.Response:
    """One request of somebody who does the work that is asked, as every page does."""
    address, key = next(_addresses), str(uuid4())
    answer = await posts(almoner, body, address=address, key=key)
    if answer.status_code != ASKED:
        return answer
    solution = solve(answer.json()["challenge"])
    return await posts(almoner, {**body, "challenge_solution": solution}, address=address, key=key)


async def becomes(almoner: Installation, level: Level, charity_id: int = TRIED) -> None:
    """Wait until the charity is at this level, as all processes learn within a second."""
    async with asyncio.timeout(10):
        while await almoner.web.breaker.level(charity_id) is not level:
            almoner.web.breaker._known.clear()
            await asyncio.sleep(0.01)


async def test_a_card_tester_is_asked_for_work_and_a_donor_still_gives(
    almoner: Installation,
) -> None:
    """After twenty declines each further card costs work. A donor's page does it unseen, and
    another charity's donors are asked for nothing."""
    first = await tries_cards(almoner, 20)
    await becomes(almoner, Level.CHALLENGE)

    after = await tries_cards(almoner, 30)
    donor = await works(almoner, gift(charity_id=TRIED, form_token=ticket()))
    elsewhere = await posts(almoner, gift(charity_id=OTHER, form_token=ticket()))

    assert first == [DECLINED] * 20
    assert after == [ASKED] * 30
    assert (donor.status_code, elsewhere.status_code) == (PAID, PAID)
    assert len(await almoner.charged()) == 22


async def test_a_tester_who_does_the_work_is_slowed_and_then_stopped(
    almoner: Installation,
) -> None:
    """Challenge, strict, paused. Paused: a script is put off, a page that works goes on."""
    await tries_cards(almoner, 20)
    await becomes(almoner, Level.CHALLENGE)
    seen = [await almoner.web.breaker.level(TRIED)]
    card = {"payment_method_nonce": STOLEN, "charity_id": TRIED, "amount": "1.00"}
    while seen[-1] is not Level.PAUSED:
        answer = await works(almoner, gift(**card))
        assert answer.status_code in (DECLINED, BREAK)
        almoner.web.breaker._known.clear()
        seen.append(await almoner.web.breaker.level(TRIED))
        assert len(seen) < 100

    script = await posts(almoner, gift(charity_id=TRIED))
    started = time.monotonic()
    donor = await works(almoner, gift(charity_id=TRIED, form_token=ticket()))
    took_s = time.monotonic() - started
    elsewhere = await posts(almoner, gift(charity_id=OTHER))

    assert sorted(set(seen)) == [Level.CHALLENGE, Level.STRICT, Level.PAUSED]
    assert 75 <= 20 + len(seen) <= 90
    assert (script.status_code, script.json()["code"]) == (BREAK, "charity_paused")
    assert 120 <= int(script.headers["Retry-After"]) <= 180
    assert donor.status_code == PAID, donor.text
    assert took_s < 60
    assert elsewhere.status_code == PAID


def test_scripts_that_are_put_off_are_not_called_back_together() -> None:
    """A break is told with another length each time."""
    waits = {TakingABreak().headers["Retry-After"] for _ in range(40)}

    assert len(waits) > 1


async def test_while_paused_only_a_few_a_minute_pass(almoner: Installation) -> None:
    """Whoever goes on working through many machines gets thirty tries a minute from all of them
    together; the others are told to wait, and what they were refused for is not counted."""
    await _put(almoner, Level.PAUSED)
    bodies = [gift(charity_id=TRIED, form_token=ticket()) for _ in range(33)]

    answers = await asyncio.gather(*(works(almoner, body) for body in bodies))

    codes = [answer.status_code for answer in answers]
    assert 30 <= codes.count(PAID) <= 32
    assert codes.count(PAID) + codes.count(WAIT) == 33


async def test_strict_means_one_a_minute_harder_work_and_stricter_checks(
    almoner: Installation,
) -> None:
    """The easy solution does not do; the gateway is asked to check harder."""
    await _put(almoner, Level.STRICT)
    easy = (await almoner.client.get("/challenge")).json()["challenge"]
    address = next(_addresses)
    risky = gift(charity_id=TRIED, payment_method_nonce="fake-risky-nonce")

    too_easy = await posts(almoner, {**risky, "challenge_solution": solve(easy)})
    checked = await works(almoner, risky)
    solved = []
    for _ in range(2):
        hard = (await almoner.client.get(f"/challenge?charity_id={TRIED}")).json()["challenge"]
        body = gift(charity_id=TRIED, challenge_solution=solve(hard))
        solved.append((await posts(almoner, body, address=address)).status_code)
    usual = await posts(almoner, {**risky, "charity_id": OTHER, "email": "other@example.com"})

    assert too_easy.status_code == ASKED
    assert (checked.status_code, checked.json()["code"]) == (DECLINED, "card_declined")
    assert solved == [PAID, WAIT]
    assert usual.status_code == PAID


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": "2001.00"},
        {"amount": "2004.00"},
        {"amount": "2000.00"},
        {"payment_method_nonce": "fake-gateway-rejected-fraud-nonce"},
        {"payment_method_nonce": "fake-consumed-nonce"},
    ],
)
async def test_a_tester_learns_nothing_from_the_words(
    almoner: Installation, fields: dict[str, str]
) -> None:
    """Under care every no of the bank is the same one, also when the gift is looked at later. The
    operator still finds the gateway's own word."""
    await _put(almoner, Level.CHALLENGE)

    answer = await works(almoner, gift(charity_id=TRIED, **fields))

    told = answer.json()
    seen = await almoner.client.get(
        f"/donations/{told['donation_id']}",
        headers={"Authorization": f"Bearer {told['read_token']}"},
    )
    assert (answer.status_code, told["code"]) == (DECLINED, "card_declined")
    assert told["error_message"] == "Your bank declined the card. You were not charged."
    assert seen.json()["code"] == "card_declined"
    assert await almoner.value("SELECT gateway_code FROM gateway_operation") not in (None, "")


async def test_our_own_troubles_are_nobodys_declines(almoner: Installation) -> None:
    """A bank or a gateway that is down does not put a charity on guard, nor pause an address."""
    address = next(_addresses)
    troubles = [{"amount": "3000.00"}, {"payment_method_nonce": "fake-unreachable-nonce"}]
    for number in range(40):
        body = gift(charity_id=TRIED, **troubles[number % 2])
        await posts(almoner, body, address=address if number < 3 else None)
    almoner.web.breaker._known.clear()

    level = await almoner.web.breaker.level(TRIED)

    assert level is Level.NORMAL
    assert await posts(almoner, gift(), address="11.0.1.8") is not None
    assert almoner.web.cache is not None
    assert [k async for k in almoner.web.cache.scan_iter("*failures*")] == []


async def test_an_ordinary_share_of_declines_asks_nobody_anything(almoner: Installation) -> None:
    """Three of ten in a hundred gifts."""
    for _ in range(10):
        await tries_cards(almoner, 3)
        await tries_cards(almoner, 7, payment_method_nonce="fake-valid-nonce")

    answer = await posts(almoner, gift(charity_id=TRIED))

    assert answer.status_code == PAID


async def test_five_declines_in_three_minutes_pause_an_address(almoner: Installation) -> None:
    """Half an hour without a new try, from there; what it gave before is still told."""
    address, key = next(_addresses), str(uuid4())
    given = gift(email="given@example.com")
    first = await posts(almoner, given, address=address, key=key)
    for number in range(5):
        body = gift(payment_method_nonce=STOLEN, charity_id=TRIED + number)
        await _forgive(almoner, address)
        assert (await posts(almoner, body, address=address)).status_code == DECLINED
    await _forgive(almoner, address)

    paused = await posts(almoner, gift(), address=address)
    again = await posts(almoner, given, address=address, key=key)
    elsewhere = await posts(almoner, gift())

    assert (paused.status_code, paused.json()["code"]) == (WAIT, "too_many_requests")
    assert 1700 < int(paused.headers["Retry-After"]) <= 1800
    assert (again.status_code, again.content) == (PAID, first.content)
    assert elsewhere.status_code == PAID


async def test_it_recovers_by_itself(almoner: Installation) -> None:
    """Step by step, when it has been calm for a while; a donor is asked for nothing again."""
    await _put(almoner, Level.PAUSED, minutes_ago=6)
    levels = []
    for _ in range(3):
        almoner.web.breaker._known.clear()
        levels.append(await almoner.web.breaker.level(TRIED))
        await _put(almoner, levels[-1], minutes_ago=6)
    almoner.web.breaker._known.clear()

    answer = await posts(almoner, gift(charity_id=TRIED))

    assert levels == [Level.STRICT, Level.CHALLENGE, Level.NORMAL]
    assert answer.status_code == PAID


async def test_a_gift_that_was_taken_is_told_whatever_the_level(almoner: Installation) -> None:
    """The same key again asks for no work: it charges nothing."""
    key, body = str(uuid4()), gift(charity_id=TRIED)
    first = await posts(almoner, body, key=key)
    await _put(almoner, Level.PAUSED)

    again = await posts(almoner, body, key=key)

    assert (first.status_code, again.content) == (PAID, first.content)


async def test_our_own_services_are_asked_for_no_work(almoner: Installation) -> None:
    """They cannot solve puzzles and answer for who uses them; a mailbox's limit holds for them."""
    await _put(almoner, Level.STRICT)
    ours = {"Authorization": f"Bearer {SERVICE_TOKEN}"}
    codes = []
    for number in range(6):
        answer = await almoner.client.post(
            "/donations",
            json=gift(charity_id=TRIED, email="one@example.com", amount=f"{10 + number}.00"),
            headers={"Idempotency-Key": str(uuid4()), **ours},
        )
        codes.append(answer.status_code)

    assert codes == [PAID] * 5 + [WAIT]


async def test_one_card_gives_five_times_an_hour(
    almoner: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the gateway tells which card a nonce stands for; the mark is in no key of the cache."""

    def of_nonce(_: SandboxInstruments, nonce: str | None) -> Instrument | FieldError:
        return Instrument(str(nonce), card_fingerprint="card-of-the-tester")

    monkeypatch.setattr(SandboxInstruments, "of_nonce", of_nonce)

    codes = [(await posts(almoner, gift())).status_code for _ in range(6)]

    assert codes == [PAID] * 5 + [WAIT]
    assert almoner.web.cache is not None
    assert [k async for k in almoner.web.cache.scan_iter("*tester*")] == []


async def test_without_valkey_a_process_guards_by_what_it_sees_itself(
    installation: Installations,
) -> None:
    """The cache is away for good: the tester is asked for work, the donor gives."""
    almoner = await installation(
        limits="standard", trusted_proxies="127.0.0.1", challenge_work=64,
        redis_url="redis://127.0.0.1:1",
    )  # fmt: skip
    await tries_cards(almoner, 20)
    await becomes(almoner, Level.CHALLENGE)

    tester = await tries_cards(almoner, 5)
    donor = await works(almoner, gift(charity_id=TRIED, form_token=ticket()))

    assert tester == [ASKED] * 5
    assert donor.status_code == PAID


async def test_asking_for_challenges_is_limited(almoner: Installation) -> None:
    """Whoever only makes us set puzzles is told to wait; the database is not written to."""
    await _put(almoner, Level.CHALLENGE)
    address = next(_addresses)
    bodies = [gift(charity_id=TRIED) for _ in range(40)]

    answers = await asyncio.gather(*(posts(almoner, body, address=address) for body in bodies))

    codes = [answer.status_code for answer in answers]
    assert 30 <= codes.count(ASKED) < 40
    assert codes.count(ASKED) + codes.count(WAIT) == 40
    assert await almoner.value("SELECT count(*) FROM idempotency_record") == 0


async def test_a_change_of_level_is_logged_and_measured(
    almoner: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, with the charity and its numbers; nothing of any person."""
    log = CapturingLogger()
    monkeypatch.setattr("almoner.donations.breaker.log", log)
    await tries_cards(almoner, 20)
    await becomes(almoner, Level.CHALLENGE)

    metrics = (await almoner.client.get("/metrics")).text

    numbers = {"charity_id": 101, "was": "normal", "now": "challenge", "paid": 0, "declined": 20}
    assert log.calls == [CapturedCall("warning", ("charity_level_changed",), numbers)]
    assert 'almoner_charity_levels_total{level="challenge"}' in metrics
    assert "almoner_limited_total" in metrics


async def _forgive(almoner: Installation, address: str) -> None:
    """Let an address go on as if a minute had passed."""
    assert almoner.web.cache is not None
    await almoner.web.cache.delete(f"almoner:{{limits}}:give-minute:{address}")


async def _put(almoner: Installation, level: Level, *, minutes_ago: float = 0) -> None:
    """Put the tried charity at a level, as if it had come there so long ago."""
    assert almoner.web.cache is not None
    since_ms = int((time.time() - 60 * minutes_ago) * 1000)
    key = f"almoner:{{charities}}:level:{TRIED}"
    await almoner.web.cache.hset(key, mapping={"level": int(level), "since": since_ms})
    almoner.web.breaker._known.clear()
