"""Bad input: each field has its own message, all at once, and nothing is kept of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from almoner.donations import api
from almoner.donations.form import (
    _PLAIN_EMAIL,
    AmountBounds,
    decode_body,
    normalise_email,
    read_form,
)
from almoner.platform.errors import Problem
from support.donor import Donor, gift
from support.installation import Installation
from support.tamper import tamper

CARD = {"card_number": "4111111111111111", "expiration_date": "12/30", "cvv": "123"}
HEADERS = {"Idempotency-Key": "0123456789abcdef0123456789abcdef"}
BOUNDS = AmountBounds(Decimal(1), Decimal(50_000), ("USD", "JPY"))


def card(**fields: Any) -> dict[str, Any]:
    """A gift by card, with these fields of the card changed."""
    changed = {**CARD, **fields}
    return {
        "payment_method_nonce": None,
        "payment_card": {name: value for name, value in changed.items() if value is not None},
    }


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"first_name": None}, "first_name", "missing"),
    ({"first_name": ""}, "first_name", "empty"),
    ({"first_name": "   "}, "first_name", "empty"),
    ({"first_name": 5}, "first_name", "wrong_type"),
    ({"first_name": "x" * 101}, "first_name", "too_long"),
    ({"first_name": "a\u0000b"}, "first_name", "invalid_characters"),
    ({"first_name": "<script>"}, "first_name", "invalid_characters"),
    ({"first_name": "\u200b"}, "first_name", "invalid_characters"),
    ({"first_name": "\u202eevil"}, "first_name", "invalid_characters"),
    ({"first_name": "\u0301"}, "first_name", "invalid_characters"),
    ({"first_name": "4111 1111 1111 1111"}, "first_name", "card_number"),
    ({"last_name": "card 4111-1111-1111-1111."}, "last_name", "card_number"),
    ({"email": "4111111111111111@example.com"}, "email", "card_number"),
    ({"amount": "0.30000000000000004"}, "amount", "too_many_decimals"),
    ({"amount": "100.10000000000001"}, "amount", "too_many_decimals"),
    ({"amount": "12345678901234567890.12"}, "amount", "too_large"),
    ({"amount": "9" * 300}, "amount", "too_large"),
    ({"last_name": None}, "last_name", "missing"),
    ({"last_name": ["Doe"]}, "last_name", "wrong_type"),
    ({"email": None}, "email", "missing"),
    ({"email": "john"}, "email", "invalid"),
    ({"email": "john@"}, "email", "invalid"),
    ({"email": "john@example"}, "email", "invalid"),
    ({"email": "a@b@example.com"}, "email", "invalid"),
    ({"email": "x" * 250 + "@example.com"}, "email", "too_long"),
    ({"email": "a\r\nBcc: b@example.com"}, "email", "invalid_characters"),
    ({"charity_id": None}, "charity_id", "missing"),
    ({"charity_id": "101"}, "charity_id", "wrong_type"),
    ({"charity_id": 101.5}, "charity_id", "wrong_type"),
    ({"charity_id": True}, "charity_id", "wrong_type"),
    ({"charity_id": 99}, "charity_id", "unknown_charity"),
    ({"charity_id": 0}, "charity_id", "unknown_charity"),
    ({"charity_id": -1}, "charity_id", "unknown_charity"),
    ({"charity_id": 10**30}, "charity_id", "unknown_charity"),
    ({"amount": None}, "amount", "missing"),
    ({"amount": ""}, "amount", "empty"),
    ({"amount": "0"}, "amount", "zero"),
    ({"amount": 0}, "amount", "zero"),
    ({"amount": "-5"}, "amount", "negative"),
    ({"amount": "50.001"}, "amount", "too_many_decimals"),
    ({"amount": "0.99"}, "amount", "too_small"),
    ({"amount": "50000.01"}, "amount", "too_large"),
    ({"amount": 10**40}, "amount", "too_large"),
    ({"amount": "fifty"}, "amount", "not_a_number"),
    ({"amount": True}, "amount", "wrong_type"),
    ({"amount": {"value": 50}}, "amount", "wrong_type"),
    ({"amount": "0.5", "currency": "JPY"}, "amount", "too_many_decimals"),
    ({"currency": None}, "currency", "missing"),
    ({"currency": ""}, "currency", "empty"),
    ({"currency": "usd"}, "currency", "unknown_currency"),
    ({"currency": "XXX"}, "currency", "unknown_currency"),
    ({"currency": 840}, "currency", "wrong_type"),
    ({"payment_method_nonce": None}, "payment_method_nonce", "missing"),
    ({"payment_method_nonce": ""}, "payment_method_nonce", "empty"),
    ({"payment_method_nonce": "x" * 513}, "payment_method_nonce", "too_long"),
    ({"payment_method_nonce": "tokencc_bh_real"}, "payment_method_nonce", "unknown_nonce"),
    ({"payment_card": CARD}, "payment_card", "conflict"),
    ({"payment_method_nonce": None, "payment_card": "4111"}, "payment_card", "wrong_type"),
    (card(card_number=None), "payment_card.card_number", "missing"),
    (card(card_number=4111111111111111), "payment_card.card_number", "wrong_type"),
    (card(card_number="4111111111111112"), "payment_card.card_number", "luhn"),
    (card(card_number="4111"), "payment_card.card_number", "wrong_length"),
    (card(card_number="4111x"), "payment_card.card_number", "not_a_number"),
    (card(card_number="4242424242424242"), "payment_card.card_number", "not_a_test_card"),
    (card(expiration_date=None), "payment_card.expiration_date", "missing"),
    (card(expiration_date="12/25"), "payment_card.expiration_date", "expired"),
    (card(expiration_date="13/30"), "payment_card.expiration_date", "invalid"),
    (card(expiration_date="2030-12"), "payment_card.expiration_date", "invalid"),
    (card(expiration_date="12/2099"), "payment_card.expiration_date", "invalid"),
    (card(cvv="12"), "payment_card.cvv", "wrong_length"),
    (card(cvv="1234"), "payment_card.cvv", "wrong_length"),
    (card(cvv="12a"), "payment_card.cvv", "not_a_number"),
    (card(card_number="378282246310005"), "payment_card.cvv", "wrong_length"),
    (card(pin="1234"), "payment_card.pin", "unknown_field"),
    ({"confirm_duplicate": "yes"}, "confirm_duplicate", "wrong_type"),
    ({"locale": "fr"}, "locale", "invalid"),
    ({"form_token": 5}, "form_token", "wrong_type"),
    ({"challenge_solution": 5}, "challenge_solution", "wrong_type"),
    ({"challenge_solution": "x" * 2049}, "challenge_solution", "wrong_type"),
    ({"website": ["x"]}, "website", "wrong_type"),
    ({"amout": 50}, "amout", "unknown_field"),
]


async def test_every_kind_of_wrong_field_is_named_with_its_reason(almoner: Installation) -> None:
    """422 with exactly that field and code and a sentence; nothing is written, nothing charged."""
    for fields, field, code in WRONG:
        answer = await almoner.client.post(
            "/donations", json=gift(**fields), headers={"Idempotency-Key": str(uuid4())}
        )

        assert answer.status_code == 422, (fields, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        found = [(e["field"], e["code"]) for e in answer.json()["errors"]]
        assert found == [(field, code)], fields
        assert all(len(e["message"]) > 8 for e in answer.json()["errors"])
    assert await almoner.value("SELECT count(*) FROM donor") == 0
    assert await almoner.value("SELECT count(*) FROM idempotency_record") == 0
    assert await almoner.charged() == []


async def test_all_wrong_fields_are_named_at_once(donor: Donor) -> None:
    """Nobody has to fill in a form eight times."""
    answer = await donor.gives(
        first_name="", last_name=None, email="x", charity_id=5, amount="-1", currency="XX",
        payment_method_nonce=None, payment_card={"card_number": "1"}, nickname="J",
    )  # fmt: skip

    assert {e["field"] for e in answer.json()["errors"]} == {
        "first_name", "last_name", "email", "charity_id", "amount", "currency",
        "payment_card.card_number", "payment_card.expiration_date", "payment_card.cvv", "nickname",
    }  # fmt: skip


async def test_a_closed_charity_takes_no_gifts(almoner: Installation, donor: Donor) -> None:
    """The message says that it is closed, not that it does not exist."""
    async with almoner.database.connection() as connection:
        await connection.execute(
            "UPDATE charity SET status = 'closed', closed_by = 'staff' WHERE charity_id = 105"
        )

    answer = await donor.gives(charity_id=105)

    assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [
        ("charity_id", "closed_charity")
    ]


async def test_a_telephone_number_is_a_mailbox_not_a_card(donor: Donor) -> None:
    """13 digits whose check digit fits by chance, one in ten of them; cards never begin with 8."""
    answer = await donor.gives(email="8613800138002@example.com")
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_json"),
        (b"{", 400, "malformed_json"),
        (b"[]", 400, "malformed_json"),
        (b"null", 400, "malformed_json"),
        (b'"text"', 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b'{"amount": NaN}', 400, "malformed_json"),
        (b'{"amount": 50, "amount": 1}', 400, "malformed_json"),
        (b'{"amount": 50, "am\\u006funt": 1}', 400, "malformed_json"),
        (b'{"payment_card": {"cvv": "123", "cvv": "124"}}', 400, "malformed_json"),
        (b'{"first_name": "\\ud800"}', 400, "malformed_json"),
        (b"[" * 60_000, 400, "malformed_json"),
        (b'{"amount": 1' + b"0" * 60_000 + b"}", 400, "malformed_json"),
        (b'{"a": "' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_as_a_whole(
    almoner: Installation, body: bytes, status: int, code: str
) -> None:
    """A problem, whatever the bytes are; never a 500."""
    answer = await almoner.client.post(
        "/donations", content=body, headers={**HEADERS, "Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_another_content_type_is_refused(almoner: Installation, content_type: str) -> None:
    """415 says what to send; a form of another site cannot post a gift."""
    answer = await almoner.client.post(
        "/donations",
        content=json.dumps(gift()).encode(),
        headers={**HEADERS, "Content-Type": content_type},
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_ambiguous_headers_are_refused(almoner: Installation) -> None:
    """Two keys, an encoded body: nobody can know what was meant."""
    key = str(uuid4())

    two = await almoner.client.post(
        "/donations",
        json=gift(),
        headers=[("Idempotency-Key", key), ("Idempotency-Key", str(uuid4()))],
    )
    encoded = await almoner.client.post(
        "/donations", json=gift(), headers={"Idempotency-Key": key, "Content-Encoding": "gzip"}
    )

    assert (two.status_code, two.json()["code"]) == (400, "idempotency_key_malformed")
    assert encoded.status_code == 415
    assert await almoner.charged() == []


async def test_a_thousand_unknown_fields_do_not_make_a_long_answer(donor: Donor) -> None:
    """Twenty are named; nobody reads more."""
    answer = await donor.gives(key=str(uuid4()), **{f"field_{n}": n for n in range(1000)})

    assert len(answer.json()["errors"]) == 20


async def test_nothing_of_a_wrong_body_is_logged_or_repeated(
    almoner: Installation, capfd: pytest.CaptureFixture[str]
) -> None:
    """The answer and the log say which field, never what stood in it."""
    secret = "4929123456781234"
    answer = await almoner.client.post(
        "/donations",
        json=gift(
            email=f"{secret}@", first_name=secret * 10, currency=secret,
            payment_method_nonce=secret, **{secret: secret},
        ),
        headers=HEADERS,
    )  # fmt: skip

    captured = capfd.readouterr()
    assert answer.status_code == 422
    assert secret not in answer.text
    assert secret not in captured.out + captured.err


@given(st.from_regex(_PLAIN_EMAIL, fullmatch=True))
def test_the_quick_way_to_read_an_address_agrees_with_the_library(address: str) -> None:
    """Whatever the quick way takes, the library takes, and reads the same."""
    try:
        found = validate_email(address, check_deliverability=False).normalized
    except EmailNotValidError:
        with pytest.raises(EmailNotValidError):
            normalise_email(address)
    else:
        assert normalise_email(address) == (found, found.lower())


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20), st.lists, max_leaves=5
)


@given(st.dictionaries(st.sampled_from(sorted(gift())) | st.text(max_size=10), json_values))
def test_any_object_is_a_form_or_a_list_of_errors(body: dict[str, Any]) -> None:
    """The reader never raises and never accepts without every field."""
    form, errors = read_form(body, BOUNDS)

    assert (form is None) == bool(errors)
    assert all(e.field and e.code and e.message for e in errors)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_problem(body: bytes) -> None:
    """Nothing but a dict or a 400 comes out of the decoder."""
    try:
        assert isinstance(decode_body(body), dict)
    except Problem as problem:
        assert problem.http_status == 400


async def test_a_body_that_does_not_come_to_its_end_is_given_up(
    almoner: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """408 after a while, instead of a place held for ever; the same key is free."""
    monkeypatch.setattr(api, "BODY_SECONDS_MAX", 0.05)
    whole = json.dumps(gift()).encode()

    async def half() -> AsyncIterator[bytes]:
        yield whole[:20]
        await asyncio.Event().wait()

    headers = HEADERS | {"Content-Type": "application/json"}
    slow = await almoner.client.post("/donations", content=half(), headers=headers)
    again = await almoner.client.post("/donations", content=whole, headers=headers)

    assert (slow.status_code, slow.json()["code"]) == (408, "body_too_slow")
    assert again.status_code == 201


async def test_a_fault_of_ours_is_told_as_one_and_keeps_the_key(
    almoner: Installation, capfd: pytest.CaptureFixture[str]
) -> None:
    """500 without a word of what was typed, in the answer or the log; the same key goes on."""
    body = gift(first_name="Rumpelstilzchen")
    url = almoner.settings.servers.database_url
    tamper(url, "ALTER TABLE payment_attempt RENAME TO payment_attempt_gone")

    broken = await almoner.client.post("/donations", json=body, headers=HEADERS)
    said = capfd.readouterr()
    tamper(url, "ALTER TABLE payment_attempt_gone RENAME TO payment_attempt")
    again = await almoner.client.post("/donations", json=body, headers=HEADERS)

    assert (broken.status_code, broken.json()["code"]) == (500, "internal_error")
    assert "unexpected_error" in said.err + said.out
    assert "Rumpelstilzchen" not in broken.text + said.err + said.out
    assert again.status_code == 201
    assert len(await almoner.charged()) == 1
