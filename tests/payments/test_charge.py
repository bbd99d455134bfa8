"""The rules by which a charge is sent: what is sent again, what is waited for, what is believed."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from almoner.payments.breaker import BreakerRules
from almoner.payments.charge import LocalCharging
from almoner.payments.gateway import Observation, Seen
from almoner.payments.guard import GuardRules
from almoner.payments.look_up import LookingUp, LookUpRules
from almoner.payments.send import SendRules
from support.scripted import (
    DUPLICATE,
    FAULT,
    LOST,
    REFUSED,
    TAKEN,
    UNSENT,
    WAIT,
    Answer,
    Scripted,
    charge,
    until,
)

RULES = SendRules(
    deadline_ms=3_000,
    pause_ms=1,
    pause_max_ms=5,
    guard=GuardRules(breaker=BreakerRules(calls_min=1_000)),
)


def charging(gateway: Scripted, rules: SendRules = RULES) -> LocalCharging:
    """Charging at this gateway."""
    gateways = {gateway.name: gateway}
    return LocalCharging(gateways, rules, LookingUp(gateways, LookUpRules(deadline_ms=500)))


async def sent(gateway: Scripted, rules: SendRules = RULES) -> Observation:
    """One charge, sent by the rules."""
    return await charging(gateway, rules).charge(gateway.name, charge())


async def test_what_was_not_sent_is_sent_again_under_the_same_names() -> None:
    """Refused twice, then taken: one order id and one request key for all three."""
    gateway = Scripted(UNSENT, UNSENT, TAKEN)

    seen = await sent(gateway)

    assert seen == TAKEN
    assert len(gateway.asked) == 3
    assert len(set(gateway.asked)) == 1


async def test_it_is_sent_again_at_most_twice() -> None:
    """Then it is NOT_SENT, which is proved."""
    gateway = Scripted(UNSENT)

    seen = await sent(gateway)

    assert seen.seen is Seen.NOT_SENT
    assert len(gateway.asked) == 3


@pytest.mark.parametrize("answer", [LOST, REFUSED, FAULT, TAKEN], ids=lambda a: a.gateway_code)
async def test_nothing_else_is_ever_sent_again(answer: Observation) -> None:
    """A lost answer least of all: it may have charged."""
    gateway = Scripted(answer)

    seen = await sent(gateway)

    assert seen.seen is answer.seen
    assert len(gateway.asked) == 1


async def test_nobody_is_kept_waiting_by_a_retry() -> None:
    """A pause that would end after the donor's wait is not begun."""
    gateway = Scripted(UNSENT)

    seen = await sent(
        gateway, structs.replace(RULES, pause_ms=400, pause_max_ms=900, retry_within_ms=300)
    )

    assert seen.seen is Seen.NOT_SENT
    assert len(gateway.asked) == 1


async def test_retries_add_a_tenth_to_the_calls_and_no_more() -> None:
    """A hundred charges while nothing can be sent: ten from the full bucket, and ten earned."""
    gateway = Scripted(UNSENT)
    sending = charging(gateway)

    for _ in range(100):
        await sending.charge(gateway.name, charge())

    retries = len(gateway.asked) - 100
    assert 10 <= retries <= 20


async def test_in_flight_is_asked_again_until_it_is_known() -> None:
    """The same request is being carried out there: wait, and ask with the same key."""
    gateway = Scripted(WAIT, WAIT, WAIT, TAKEN)

    seen = await sent(gateway)

    assert seen == TAKEN
    assert len(set(gateway.asked)) == 1


async def test_in_flight_until_the_deadline_is_a_doubt() -> None:
    """Whoever carries it out may yet charge."""
    gateway = Scripted(WAIT)

    seen = await sent(gateway, structs.replace(RULES, deadline_ms=60))

    assert seen.seen is Seen.UNKNOWN
    assert len(gateway.asked) > 1


@pytest.mark.parametrize(
    "then",
    [UNSENT, FAULT, Observation(Seen.DECLINED, None, "payment_details_used", "93107")],
    ids=["refused connection", "fault of ours", "nonce used"],
)
async def test_after_in_flight_only_word_of_that_very_sale_counts(then: Observation) -> None:
    """That the second request did not arrive says nothing about the first; and a used nonce may
    have been used by it."""
    seen = await sent(Scripted(WAIT, then))

    assert seen.seen is Seen.UNKNOWN


async def test_after_in_flight_a_decline_of_that_sale_counts() -> None:
    """It carries the sale's own transaction."""
    assert await sent(Scripted(WAIT, REFUSED)) == REFUSED


@pytest.mark.parametrize(
    ("found", "seen"),
    [
        (TAKEN, Seen.SUBMITTED),
        (REFUSED, Seen.DECLINED),
        (None, Seen.UNKNOWN),
        (LOST, Seen.UNKNOWN),
        (Observation(Seen.DISPUTED, "t1"), Seen.UNKNOWN),
        (RuntimeError("a fault of ours"), Seen.UNKNOWN),
    ],
    ids=["taken", "declined", "missed", "could not ask", "disputed", "fault"],
)
async def test_a_duplicate_is_looked_up(found: Answer, seen: Seen) -> None:
    """Only a charge under our own order id is ours; a miss does not mean "not charged"."""
    gateway = Scripted(DUPLICATE, found=[found])

    observation = await sent(gateway)

    assert observation.seen is seen
    assert gateway.looked_up == [gateway.asked[0][0]]


async def test_the_deadline_is_ours() -> None:
    """A gateway that drips for ever is left after the deadline, in doubt."""
    gateway = Scripted(30.0, TAKEN)

    seen = await sent(gateway, structs.replace(RULES, deadline_ms=50))

    assert (seen.seen, seen.gateway_code) == (Seen.UNKNOWN, "deadline")


async def test_a_fault_nobody_foresaw_is_a_doubt() -> None:
    """Our own adapter breaks: the charge may have happened."""
    seen = await sent(Scripted(RuntimeError("a fault of ours")))

    assert (seen.seen, seen.gateway_code) == (Seen.UNKNOWN, "RuntimeError")


async def test_a_request_of_ours_that_is_refused_pages(capfd: pytest.CaptureFixture[str]) -> None:
    """A wrong key, say: every donor would be turned away, so somebody must know at once."""
    seen = await sent(Scripted(FAULT))

    assert seen == FAULT
    assert "gateway_refused_our_request" in "".join(capfd.readouterr())


async def test_a_gateway_nobody_configured_is_not_asked() -> None:
    """Nothing was sent, which is proved."""
    seen = await charging(Scripted(TAKEN)).charge("another", charge())

    assert (seen.seen, seen.gateway_code) == (Seen.NOT_SENT, "gateway_not_configured")


async def test_so_many_at_once_and_no_more() -> None:
    """Ten charges, three places: the others wait, then all are taken."""
    answers: list[Answer] = [0.005, TAKEN] * 10
    gateway = Scripted(*answers)
    rules = structs.replace(RULES, guard=GuardRules(in_flight_max=3, wait_ms=3_000))
    sending = charging(gateway, rules)

    seen = await asyncio.gather(*(sending.charge(gateway.name, charge()) for _ in range(10)))

    assert {s.seen for s in seen} == {Seen.SUBMITTED}
    assert gateway.most_at_once == 3


async def test_who_finds_no_place_is_not_sent() -> None:
    """The gateway hangs with all places taken: told at once, and not tried again."""
    gateway = Scripted(TAKEN)
    gateway.free.clear()
    rules = structs.replace(RULES, guard=GuardRules(in_flight_max=1, wait_ms=10))
    sending = charging(gateway, rules)
    first = asyncio.create_task(sending.charge(gateway.name, charge()))
    await until(lambda: gateway.under_way == 1)

    second = await sending.charge(gateway.name, charge())

    gateway.free.set()
    assert (second.seen, second.gateway_code) == (Seen.NOT_SENT, "gateway_busy")
    assert (await first) == TAKEN
    assert len(gateway.asked) == 1


def breaking(**changed: float) -> SendRules:
    """Rules with a breaker that opens after four calls."""
    rules = structs.replace(BreakerRules(calls_min=4, open_s=60), **changed)
    return structs.replace(RULES, retries_max=0, guard=GuardRules(breaker=rules))


@pytest.mark.parametrize("ill", [UNSENT, LOST], ids=["not sent", "lost"])
async def test_an_ill_gateway_is_left_alone(ill: Observation) -> None:
    """After four failures nothing more is sent, and that is told at once, as proved."""
    gateway = Scripted(ill)
    sending = charging(gateway, breaking())

    seen = [await sending.charge(gateway.name, charge()) for _ in range(9)]

    assert len(gateway.asked) == 4
    assert {(s.seen, s.gateway_code) for s in seen[4:]} == {(Seen.NOT_SENT, "breaker_open")}


@pytest.mark.parametrize("code", ["breaker_open", "gateway_busy"])
async def test_who_is_turned_away_is_told_at_once(code: str) -> None:
    """Trying again would only keep the donor waiting, and add to the load."""
    gateway = Scripted(UNSENT)
    gateway.free.clear()
    guard = GuardRules(in_flight_max=1, wait_ms=1, breaker=BreakerRules(calls_min=1, open_s=60))
    rules = structs.replace(RULES, pause_ms=2_000, pause_max_ms=2_000, guard=guard)
    sending = charging(gateway, rules)
    first = asyncio.create_task(sending.charge(gateway.name, charge()))
    await until(lambda: gateway.under_way == 1)
    if code == "breaker_open":
        gateway.free.set()
        await until(lambda: gateway.under_way == 0)

    async with asyncio.timeout(1):
        turned_away = await sending.charge(gateway.name, charge())

    first.cancel()
    assert (turned_away.seen, turned_away.gateway_code) == (Seen.NOT_SENT, code)


async def test_a_gateway_that_recovers_is_asked_again() -> None:
    """After its pause the breaker lets probes through; they are good, and it closes."""
    gateway = Scripted(UNSENT, UNSENT, UNSENT, UNSENT, TAKEN)
    sending = charging(gateway, breaking(open_s=0.01))
    for _ in range(4):
        await sending.charge(gateway.name, charge())
    await asyncio.sleep(0.03)

    seen = [await sending.charge(gateway.name, charge()) for _ in range(8)]

    assert {s.seen for s in seen} == {Seen.SUBMITTED}


@pytest.mark.parametrize("well", [REFUSED, FAULT, WAIT], ids=["declined", "our fault", "in flight"])
async def test_what_does_not_speak_against_its_health_opens_nothing(well: Observation) -> None:
    """Declines are a gateway at work."""
    gateway = Scripted(well)
    sending = charging(gateway, structs.replace(breaking(), deadline_ms=5))

    for _ in range(9):
        await sending.charge(gateway.name, charge())

    assert len(gateway.asked) >= 9


async def test_time_outs_open_the_breaker_too() -> None:
    """A gateway that hangs is ill, although it never answered anything."""
    gateway = Scripted(30.0, TAKEN)
    gateway.free.clear()
    sending = charging(gateway, structs.replace(breaking(), deadline_ms=10))

    seen = [await sending.charge(gateway.name, charge()) for _ in range(6)]

    assert [s.gateway_code for s in seen] == ["deadline"] * 4 + ["breaker_open"] * 2


async def test_a_charge_that_waits_in_vain_for_a_place_meets_an_open_breaker() -> None:
    """It opened meanwhile: still nothing was sent."""
    gateway = Scripted(LOST)
    gateway.free.clear()
    guard = GuardRules(in_flight_max=4, wait_ms=3_000, breaker=BreakerRules(calls_min=4))
    sending = charging(gateway, structs.replace(RULES, guard=guard))
    calls = [asyncio.create_task(sending.charge(gateway.name, charge())) for _ in range(5)]
    await until(lambda: gateway.under_way == 4)

    gateway.free.set()
    seen = await asyncio.gather(*calls)

    assert [s.gateway_code for s in seen if s.seen is Seen.NOT_SENT] == ["breaker_open"]
    assert len(gateway.asked) == 4
