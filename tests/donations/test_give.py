"""Giving: what a donor is told is what happened, and it happens once."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from support.donor import Donor
from support.installation import Installation, Installations, NewDatabase

PAID, PROCESSING, NOT_PAID, CONFLICT = 201, 202, 402, 409


async def test_a_gift_is_charged_once_and_told_as_paid(almoner: Installation, donor: Donor) -> None:
    """One gift: 201, the sandbox took the money, the donor sees success."""
    answer = await donor.gives(amount="50.00", currency="USD")

    assert answer.status_code == PAID, answer.text
    told = answer.json()
    assert (told["status"], told["amount"], told["currency"]) == ("success", "50.00", "USD")
    assert answer.headers["Location"] == f"/donations/{told['donation_id']}"
    assert (await donor.sees(answer))["transaction_id"] == told["transaction_id"]
    assert await almoner.charged() == [("50.00", "USD", True)]


async def test_the_body_of_the_first_sketch_succeeds_with_a_card_that_is_valid(
    almoner: Installation, donor: Donor
) -> None:
    """The sketch's card with a future expiry is taken; its number stands for a test nonce."""
    card = {"card_number": "4111 1111 1111 1111", "expiration_date": "12/30", "cvv": "123"}

    answer = await donor.gives(payment_method_nonce=None, payment_card=card, amount=50.00)

    assert answer.status_code == PAID, answer.text
    assert await almoner.charged() == [("50.00", "USD", True)]


async def test_the_sketchs_own_expiry_has_passed_and_is_refused_by_name(
    almoner: Installation, donor: Donor
) -> None:
    """12/25 is in the past: 422 names the field, nothing is written or charged."""
    card = {"card_number": "4111 1111 1111 1111", "expiration_date": "12/25", "cvv": "123"}

    answer = await donor.gives(payment_method_nonce=None, payment_card=card)

    assert answer.status_code == 422
    assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [
        ("payment_card.expiration_date", "expired")
    ]
    assert await almoner.value("SELECT count(*) FROM donation") == 0
    assert await almoner.charged() == []


async def test_the_same_key_again_gives_the_same_bytes_and_no_second_charge(
    almoner: Installation, donor: Donor
) -> None:
    """A repeated request is answered from the record."""
    key, email = str(uuid4()), "twice@example.com"

    first = await donor.gives(key=key, email=email)
    again = await donor.gives(key=key, email=email)

    assert first.status_code == again.status_code == PAID
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert len(await almoner.charged()) == 1


async def test_a_reloaded_page_comes_with_a_new_nonce_and_is_still_the_same_gift(
    almoner: Installation, donor: Donor
) -> None:
    """The one-time nonce carries no meaning for the fingerprint."""
    key, email = str(uuid4()), "reload@example.com"

    first = await donor.gives(key=key, email=email, payment_method_nonce="fake-valid-nonce")
    again = await donor.gives(key=key, email=email, payment_method_nonce="fake-valid-visa-nonce")

    assert again.content == first.content
    assert len(await almoner.charged()) == 1


@pytest.mark.parametrize("field", ["amount", "email", "charity_id", "currency", "last_name"])
async def test_the_same_key_with_other_content_is_refused(
    almoner: Installation, donor: Donor, field: str
) -> None:
    """422 `key_reused`, whichever field differs, and nothing more is charged."""
    other = {"amount": "51.00", "email": "b@example.com", "charity_id": 102, "currency": "EUR",
             "last_name": "Roe"}  # fmt: skip
    key = str(uuid4())
    await donor.gives(key=key, email="a@example.com")

    answer = await donor.gives(key=key, **{"email": "a@example.com", field: other[field]})

    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")
    assert len(await almoner.charged()) == 1


async def test_twenty_clicks_at_once_are_one_gift(almoner: Installation, donor: Donor) -> None:
    """However the requests meet, one is carried out; the others wait their turn or see it."""
    key, email = str(uuid4()), "clicks@example.com"

    answers = await asyncio.gather(*(donor.gives(key=key, email=email) for _ in range(20)))

    codes = [a.status_code for a in answers]
    assert codes.count(PAID) >= 1
    assert set(codes) <= {PAID, CONFLICT}
    assert {a.json()["code"] for a in answers if a.status_code == CONFLICT} <= {"in_flight"}
    assert all(a.headers["Retry-After"] for a in answers if a.status_code == CONFLICT)
    assert len({a.content for a in answers if a.status_code == PAID}) == 1
    assert len(await almoner.charged()) == 1


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("2000.00", "card_declined"),
        ("2001.00", "insufficient_funds"),
        ("2004.00", "card_expired"),
        ("2999.99", "card_declined"),
        ("3000.00", "processor_unavailable"),
        ("5001.00", "gateway_rejected"),
    ],
)
async def test_a_decline_is_told_in_donor_words(
    almoner: Installation, donor: Donor, amount: str, code: str
) -> None:
    """402 with a stable code; nothing is booked; the same key gives the same answer."""
    key, email = str(uuid4()), "declined@example.com"

    answer = await donor.gives(key=key, email=email, amount=amount)

    told = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (NOT_PAID, "failure", code)
    assert "not charged" in told["error_message"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await donor.gives(key=key, email=email, amount=amount)).content == answer.content
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 0
    assert (await donor.sees(answer))["status"] == "failure"
    assert [captured for *_, captured in await almoner.charged()] == [False]


async def test_yen_have_bounds_and_declines_of_their_own_size(donor: Donor) -> None:
    """A currency without decimals: 100 is the least, 2001 yen are declined like 2001 dollars."""
    answers = [
        await donor.gives(amount=amount, currency="JPY") for amount in ("99", "1500", "2001")
    ]

    assert [a.status_code for a in answers] == [422, PAID, NOT_PAID]
    assert answers[1].json()["amount"] == "1500"
    assert answers[2].json()["code"] == "insufficient_funds"


async def test_a_lost_answer_is_told_as_processing_until_the_gateway_is_asked(
    almoner: Installation, donor: Donor
) -> None:
    """The sandbox charges and its answer is lost: 202, then the look-up finds the charge."""
    key, email = str(uuid4()), "lost@example.com"
    nonce = "fake-lost-answer-nonce"

    answer = await donor.gives(key=key, email=email, payment_method_nonce=nonce)
    again = await donor.gives(key=key, email=email, payment_method_nonce=nonce)
    before = await donor.sees(answer)
    await almoner.resolve_now()
    after = await donor.sees(answer)

    assert (answer.status_code, again.status_code) == (PROCESSING, PROCESSING)
    assert answer.headers["Retry-After"]
    assert (before["status"], after["status"]) == ("processing", "success")
    paid = await donor.gives(key=key, email=email, payment_method_nonce=nonce)
    assert paid.status_code == PAID
    assert paid.json()["transaction_id"] == after["transaction_id"]
    assert len(await almoner.charged()) == 1
    assert await almoner.value("SELECT sum(amount_minor) FROM ledger_entry WHERE leg = 1") == 5000


async def test_a_gateway_that_cannot_be_reached_charges_nothing_and_says_so(
    almoner: Installation, donor: Donor
) -> None:
    """NOT_SENT is proof: 402, and another key may try again at once."""
    email = "away@example.com"

    answer = await donor.gives(email=email, payment_method_nonce="fake-unreachable-nonce")
    retry = await donor.gives(email=email)

    assert answer.status_code == NOT_PAID
    assert answer.json()["code"] == "gateway_unreachable"
    assert retry.status_code == PAID
    assert len(await almoner.charged()) == 1


async def test_a_slow_gateway_does_not_keep_the_donor_waiting(installation: Installations) -> None:
    """After the donor's wait 202 is answered; the charge goes on and is booked."""
    almoner = await installation(donor_wait_ms=100, sandbox_latency_ms=600)
    donor = Donor(almoner)

    answer = await donor.gives()
    assert answer.status_code == PROCESSING
    assert answer.json()["kept"] is False
    await almoner.until_idle()

    assert (await donor.sees(answer))["status"] == "success"
    assert len(await almoner.charged()) == 1


async def test_a_process_that_stops_tells_waiting_donors_the_truth_and_ends_their_charges(
    installation: Installations,
) -> None:
    """Asked to stop while the gateway works: 202 at once, and the outcome is still booked."""
    almoner = await installation(sandbox_latency_ms=600)
    donor = Donor(almoner)
    gift = asyncio.create_task(donor.gives())
    await almoner.until_charged()

    almoner.web.giving.release_donors()
    answer = await gift
    await almoner.until_idle()

    assert answer.status_code == PROCESSING
    assert (await donor.sees(answer))["status"] == "success"


async def test_a_browser_that_goes_away_cancels_nothing(installation: Installations) -> None:
    """The request is cancelled in the middle of the charge; the gift is carried out."""
    almoner = await installation(sandbox_latency_ms=300)
    request = asyncio.create_task(Donor(almoner).gives())
    await almoner.until_charged()

    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await almoner.until_idle()

    assert await almoner.value("SELECT state FROM payment_attempt") == "SUBMITTED"
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 2


async def test_the_same_gift_again_asks_before_it_charges_twice(
    almoner: Installation, donor: Donor
) -> None:
    """A new key, the same donor, charity and amount: 409 names the first; a yes goes through."""
    first = await donor.gives(email="again@example.com")

    asked = await donor.gives(email="Again@Example.com")
    sure = await donor.gives(email="again@example.com", confirm_duplicate=True)

    assert (asked.status_code, asked.json()["code"]) == (CONFLICT, "possible_duplicate")
    assert asked.json()["donation_id"] == first.json()["donation_id"]
    assert sure.status_code == PAID
    assert len(await almoner.charged()) == 2


async def test_two_alike_gifts_in_one_instant_ask_too(almoner: Installation, donor: Donor) -> None:
    """Two keys that are written in the same batch: one goes through, one is asked about."""
    answers = await asyncio.gather(*(donor.gives(email="pair@example.com") for _ in range(2)))

    assert sorted(a.status_code for a in answers) == [PAID, CONFLICT]
    assert len(await almoner.charged()) == 1


async def test_two_alike_gifts_through_two_processes_ask_too(
    new_database: NewDatabase, installation: Installations
) -> None:
    """Two web processes on one database, twenty pairs: of each pair one is charged."""
    shared = {"database_url": new_database(), "sandbox_database_url": new_database(empty=True)}
    left, right = [Donor(await installation(**shared)) for _ in range(2)]

    for number in range(20):
        email = f"pair{number}@example.com"
        answers = await asyncio.gather(left.gives(email=email), right.gives(email=email))
        assert sorted(a.status_code for a in answers) == [PAID, CONFLICT], number

    assert len(await left.almoner.charged()) == 20


async def test_a_decline_does_not_make_the_next_try_a_second_gift(
    almoner: Installation, donor: Donor
) -> None:
    """After a definite decline the same gift may be tried with another card."""
    await donor.gives(
        email="other@example.com", payment_method_nonce="fake-processor-declined-visa-nonce"
    )

    answer = await donor.gives(email="other@example.com")

    assert answer.status_code == PAID


async def test_a_form_token_stands_in_for_a_key(almoner: Installation, donor: Donor) -> None:
    """A plain script takes a token; the same token twice is one gift."""
    token = (await almoner.client.get("/donation-form")).json()["form_token"]
    body = {**donor.gift(), "form_token": token}

    first = await almoner.client.post("/donations", json=body)
    again = await almoner.client.post("/donations", json=body)

    assert first.status_code == PAID, first.text
    assert again.content == first.content
    assert len(await almoner.charged()) == 1


@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "..", "a.9999999999999.AAAA"])
async def test_a_form_token_of_somebody_elses_making_is_refused(
    almoner: Installation, donor: Donor, token: str
) -> None:
    """422 names the field."""
    answer = await almoner.client.post("/donations", json={**donor.gift(), "form_token": token})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "form_token"


async def test_without_key_or_token_the_answer_says_how_to_get_one(
    almoner: Installation, donor: Donor
) -> None:
    """400, and nothing is written."""
    answer = await almoner.client.post("/donations", json=donor.gift())

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert "/donation-form" in answer.json()["detail"]


@pytest.mark.parametrize("key", ["short", "k" * 256, "with a space in the key", "sch\xfcssel" * 4])
async def test_a_key_that_is_no_key_is_refused(
    almoner: Installation, donor: Donor, key: str
) -> None:
    """400 says what a key looks like."""
    answer = await almoner.client.post(
        "/donations", json=donor.gift(), headers=[(b"Idempotency-Key", key.encode("latin-1"))]
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_malformed")


async def test_a_donation_is_shown_to_the_holder_of_its_token_only(
    almoner: Installation, donor: Donor
) -> None:
    """Wrong id, wrong token and no token look the same from outside."""
    told = (await donor.gives()).json()
    other = (await donor.gives()).json()
    path = f"/donations/{told['donation_id']}"

    answers = [
        await almoner.client.get(path),
        await almoner.client.get(path, headers={"Authorization": "Bearer nonsense"}),
        await almoner.client.get(path, headers={"Authorization": f"Bearer {other['read_token']}"}),
        await almoner.client.get(
            f"/donations/{uuid4()}", headers={"Authorization": f"Bearer {told['read_token']}"}
        ),
    ]

    assert {a.status_code for a in answers} == {404}
    assert len({a.content for a in answers}) == 1
