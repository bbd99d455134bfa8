"""Each fault of the sandbox: that it happens, and what the donor sees of it in the end."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from almoner.money import Money
from almoner.payments.gateway import Charge, Instrument, Seen
from almoner.payments.gateways.sandbox.faults import FaultKind, named, strikes
from support.donor import Donor
from support.faults import faults_of, go_wrong
from support.installation import Installation, Installations
from support.tamper import tamper

SUCCESS = ("success", None)
STATE = "SELECT state FROM payment_attempt"


async def seen(donor: Donor, answer: Any) -> tuple[str, str | None]:
    """Status and code of a gift as its donor sees it."""
    found = await donor.sees(answer)
    return found["status"], found["code"]


async def captured(almoner: Installation) -> list[bool]:
    """For each charge of the sandbox's record, whether it was captured."""
    return [captured for _, _, captured in await almoner.charged()]


@pytest.mark.parametrize(
    "kind", ["lost_timeout", "lost_reset", "lost_500", "lost_empty", "lost_html"]
)
async def test_an_answer_that_is_lost_is_found_out(
    almoner: Installation, donor: Donor, kind: str
) -> None:
    """Charged, and the answer never comes: "being confirmed", then success by a look-up."""
    await go_wrong(almoner, kind, times_left=1)

    answer = await donor.gives()
    waiting = await seen(donor, answer)
    await almoner.resolve_now()

    assert answer.status_code == 202
    assert waiting == ("processing", None)
    assert await seen(donor, answer) == SUCCESS
    assert await captured(almoner) == [True]


@pytest.mark.parametrize("kind", [k for k in FaultKind if k.startswith("lost_")])
async def test_a_nonce_loses_the_answer_of_one_gift(
    almoner: Installation, donor: Donor, kind: FaultKind
) -> None:
    """Settable for each request: the nonce is named for the fault."""
    nonce = f"fake-{kind.replace('_', '-')}-nonce"

    answer = await donor.gives(payment_method_nonce=nonce)
    await almoner.resolve_now()

    assert answer.status_code == 202
    assert await seen(donor, answer) == SUCCESS


async def test_what_was_not_sent_once_is_sent_again(almoner: Installation, donor: Donor) -> None:
    """The connection is refused, the second try goes through: the donor notices nothing."""
    await go_wrong(almoner, "not_sent", times_left=1)

    answer = await donor.gives()

    assert answer.status_code == 201
    assert await captured(almoner) == [True]


async def test_what_is_never_sent_charges_nothing(almoner: Installation, donor: Donor) -> None:
    """Three refused connections: 402, which is true."""
    answer = await donor.gives(payment_method_nonce="fake-not-sent-nonce")

    assert (answer.status_code, answer.json()["code"]) == (402, "gateway_unreachable")
    assert await captured(almoner) == []


async def test_a_slow_answer_is_not_waited_for(installation: Installations) -> None:
    """202 while the donor waits, success when the answer is there."""
    almoner = await installation(donor_wait_ms=100)
    donor = Donor(almoner)
    await go_wrong(almoner, "slow", times_left=1, delay_ms=400)

    answer = await donor.gives()
    waiting = await seen(donor, answer)
    await almoner.until_idle()

    assert answer.status_code == 202
    assert waiting[0] == "processing"
    assert await seen(donor, answer) == SUCCESS
    assert await almoner.value("SELECT checks FROM payment_attempt") == 0


async def test_an_answer_after_our_deadline_is_found_out(installation: Installations) -> None:
    """Charged, and told when nobody listens any more: the look-up finds it."""
    almoner = await installation(gateway_deadline_ms=1_500)
    donor = Donor(almoner)
    await go_wrong(almoner, "answer_late", times_left=1, delay_ms=20_000)

    answer = await donor.gives()
    await almoner.resolve_now()

    assert answer.status_code == 202
    assert await seen(donor, answer) == SUCCESS


async def test_a_decline_is_told(almoner: Installation, donor: Donor) -> None:
    """Of a card that is otherwise good."""
    await go_wrong(almoner, "decline", times_left=1)

    answer = await donor.gives()

    assert (answer.status_code, answer.json()["code"]) == (402, "card_declined")
    assert await captured(almoner) == [False]


async def test_a_duplicate_of_our_own_is_the_gift(almoner: Installation, donor: Donor) -> None:
    """Rejected as a duplicate of itself: the look-up finds it under our order id, at once."""
    await go_wrong(almoner, "duplicate", times_left=1)

    answer = await donor.gives()

    assert answer.status_code == 201
    assert await captured(almoner) == [True]


async def test_a_duplicate_of_somebody_elses_is_not_the_gift(
    almoner: Installation, donor: Donor
) -> None:
    """Nothing is found under our order id. That proves nothing yet; the misses do, late enough."""
    await go_wrong(almoner, "duplicate_of_another", times_left=1)

    answer = await donor.gives()
    await almoner.resolve_now(age_s=130)
    await almoner.resolve_now(age_s=800)

    assert answer.status_code == 202
    assert await seen(donor, answer) == ("failure", "not_charged")
    assert await captured(almoner) == []


@pytest.mark.parametrize("kind", ["in_flight", "too_fast"])
async def test_a_gateway_that_wants_us_to_wait_is_asked_again(
    almoner: Installation, donor: Donor, kind: str
) -> None:
    """Twice "not now", then taken, under one key."""
    await go_wrong(almoner, kind, times_left=2)

    answer = await donor.gives()

    assert answer.status_code == 201
    assert await captured(almoner) == [True]
    assert [fault.happened for fault in await faults_of(almoner)] == [2]


async def test_a_gateway_that_never_has_time_charges_nothing(installation: Installations) -> None:
    """The nonce is told 429 each time: in doubt, and not charged once it was missed twice, late."""
    almoner = await installation(gateway_deadline_ms=1_500)
    donor = Donor(almoner)

    answer = await donor.gives(payment_method_nonce="fake-too-fast-nonce")
    waiting = await seen(donor, answer)
    await almoner.resolve_now(age_s=130)
    await almoner.resolve_now(age_s=800)

    assert (answer.status_code, waiting) == (202, ("processing", None))
    assert await seen(donor, answer) == ("failure", "not_charged")
    assert await captured(almoner) == []


async def test_a_sale_that_is_in_flight_is_taken_once(almoner: Installation, donor: Donor) -> None:
    """The first request is being carried out there: asking again finds it done."""
    await go_wrong(almoner, "in_flight", delay_ms=200)

    answer = await donor.gives()

    assert answer.status_code == 201
    assert await captured(almoner) == [True]


async def test_a_request_that_is_refused_as_ours_charges_nothing(
    almoner: Installation, donor: Donor
) -> None:
    """401: our mistake. Told as such, at once, and not kept in doubt for a week."""
    await go_wrong(almoner, "refused", times_left=1)

    answer = await donor.gives()

    assert (answer.status_code, answer.json()["code"]) == (402, "payment_misconfigured")
    assert await captured(almoner) == []


async def test_a_request_that_hangs_and_charges_later_is_charged_once(
    almoner: Installation, donor: Donor
) -> None:
    """A look-up in between misses; the charge then comes; a later look-up finds it."""
    await go_wrong(almoner, "late_charge", times_left=1)

    answer = await donor.gives()
    await almoner.resolve_now(age_s=130)
    between = await seen(donor, answer), await captured(almoner)
    tamper(almoner.settings.sandbox_url, "UPDATE sandbox_charge SET charged_at = now()")
    await almoner.resolve_now(age_s=800)

    assert answer.status_code == 202
    assert between == (("processing", None), [])
    assert await seen(donor, answer) == SUCCESS
    assert await captured(almoner) == [True]


async def test_a_charge_that_the_index_does_not_know_yet_is_found_later(
    almoner: Installation, donor: Donor
) -> None:
    """Charged, answer lost, and look-ups miss it for a while: a miss is not "not charged"."""
    await go_wrong(almoner, "index_lag", times_left=1)

    answer = await donor.gives()
    await almoner.resolve_now(age_s=130)
    between = await seen(donor, answer), await captured(almoner)
    tamper(almoner.settings.sandbox_url, "UPDATE sandbox_charge SET visible_at = now()")
    await almoner.resolve_now(age_s=800)

    assert between == (("processing", None), [True])
    assert await seen(donor, answer) == SUCCESS


@pytest.mark.parametrize(
    "kind",
    ["look_up_down", "not_sent", "lost_reset", "lost_html", "lost_500", "too_fast", "refused"],
)
async def test_a_look_up_that_fails_is_no_miss(
    almoner: Installation, donor: Donor, kind: str
) -> None:
    """However old the charge is: it stays in doubt until the gateway can be asked."""
    answer = await donor.gives(payment_method_nonce="fake-lost-answer-nonce")
    await go_wrong(almoner, kind, "look_up", times_left=2)

    await almoner.resolve_now(age_s=1_000)
    await almoner.resolve_now(age_s=1_000)
    waiting = await seen(donor, answer)
    misses = await almoner.value("SELECT misses FROM payment_attempt")
    await almoner.resolve_now()

    assert (waiting, misses) == (("processing", None), 0)
    assert await seen(donor, answer) == SUCCESS


async def test_a_look_up_that_misses_by_fault_counts_as_a_miss(
    almoner: Installation, donor: Donor
) -> None:
    """One of them, late: still in doubt, then found."""
    answer = await donor.gives(payment_method_nonce="fake-lost-answer-nonce")
    await go_wrong(almoner, "index_lag", "look_up", times_left=1)

    await almoner.resolve_now(age_s=1_000)
    misses = await almoner.value("SELECT misses FROM payment_attempt")
    await almoner.resolve_now()

    assert misses == 1
    assert await seen(donor, answer) == SUCCESS


async def test_another_sum_under_the_same_order_is_a_doubt(
    almoner: Installation, donor: Donor
) -> None:
    """Something was taken there that is not this: nobody may say "not charged"."""
    await go_wrong(almoner, "lost_reset", times_left=1)
    answer = await donor.gives()
    attempt = await almoner.database.fetch_one("SELECT * FROM payment_attempt")
    assert attempt is not None
    gateway = almoner.work.gateway
    other = Charge(attempt["attempt_id"], Money(1, "USD"), Instrument("fake-valid-nonce"))

    assert (await gateway.charge(other)).seen is Seen.UNKNOWN
    await almoner.resolve_now()
    assert await seen(donor, answer) == SUCCESS


@pytest.mark.parametrize(
    ("limits", "struck"),
    [({"amount_minor": 5000}, True), ({"amount_minor": 5001}, False), ({"order_id": "x"}, False)],
)
async def test_a_fault_can_be_meant_for_some_requests(
    almoner: Installation, donor: Donor, limits: dict[str, Any], struck: bool
) -> None:
    """By amount or by order; all others go on as ever."""
    await go_wrong(almoner, "decline", **limits)

    answer = await donor.gives()

    assert answer.status_code == (402 if struck else 201)


async def test_a_fault_that_is_over_is_over(almoner: Installation, donor: Donor) -> None:
    """Three times, then never again."""
    await go_wrong(almoner, "decline", times_left=3)

    told = [(await donor.gives()).status_code for _ in range(5)]

    assert told == [402, 402, 402, 201, 201]


async def test_chance_can_be_played_again(installation: Installations) -> None:
    """The same seed strikes the same requests; about as many as the probability says."""
    told = []
    for _ in range(2):
        almoner = await installation(sandbox_faults="decline:0.3;seed=7")
        donor = Donor(almoner)
        told.append([(await donor.gives()).status_code for _ in range(30)])

    assert told[0] == told[1]
    assert 4 <= told[0].count(402) <= 16


async def test_chance_in_the_table_is_one_sequence_for_all_processes(
    almoner: Installation, donor: Donor
) -> None:
    """The throws are counted where all processes count."""
    await go_wrong(almoner, "decline", probability=0.5, seed=3)

    told = [(await donor.gives()).status_code for _ in range(20)]

    (fault,) = await faults_of(almoner)
    assert fault.drawn == 20
    assert fault.happened == told.count(402)
    assert 3 <= fault.happened <= 17


def test_the_dice_are_those_of_the_seed() -> None:
    """Written down once, so that a campaign of today can be played again tomorrow."""
    fault = structs.replace(named("lost_reset"), probability=0.5, seed=7)

    assert "".join("x" if strikes(fault, n) else "." for n in range(1, 33)) == (
        ".xx.xx.x....x.xx.xx.....xx.xxx.x"
    )
