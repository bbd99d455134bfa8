"""Amounts are read exactly, and what is no amount is said to be none."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.donations.form import decode_body
from almoner.money import EXPONENTS, Money, MoneyError


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        (50, "USD", 5000),
        ("50", "USD", 5000),
        ("50.00", "USD", 5000),
        ("50.5", "USD", 5050),
        ("50.5000", "USD", 5050),
        (" 50.00 ", "USD", 5000),
        (Decimal("0.29"), "USD", 29),
        ("1000", "JPY", 1000),
        ("1.234", "KWD", 1234),
        ("007", "USD", 700),
        (Decimal("5E+1"), "USD", 5000),
    ],
)
def test_an_amount_is_read_to_the_minor_unit(value: object, currency: str, minor: int) -> None:
    """Numbers and strings, with the currency's decimals."""
    assert Money.parse(value, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("value", "currency", "code"),
    [
        ("50.001", "USD", "too_many_decimals"),
        ("0.5", "JPY", "too_many_decimals"),
        ("1,000", "USD", "not_a_number"),
        ("", "USD", "not_a_number"),
        ("abc", "USD", "not_a_number"),
        ("٥٠", "USD", "not_a_number"),
        ("1e3", "USD", "not_a_number"),
        ("NaN", "USD", "not_a_number"),
        ("-", "USD", "not_a_number"),
        ("+5", "USD", "not_a_number"),
        (Decimal("NaN"), "USD", "not_a_number"),
        (10**20, "USD", "too_large"),
        ("1" * 300, "USD", "too_large"),
        ("1" * 20 + ".5", "USD", "too_large"),
        (Decimal("1E+999999"), "USD", "too_large"),
        (Decimal("1E-999999"), "USD", "too_many_decimals"),
        (True, "USD", "wrong_type"),
        (50.0, "USD", "wrong_type"),
        (None, "USD", "wrong_type"),
        ([50], "USD", "wrong_type"),
        (50, "XXX", "unknown_currency"),
    ],
)
def test_what_is_no_amount_has_a_code(value: object, currency: str, code: str) -> None:
    """Never rounded, never guessed."""
    with pytest.raises(MoneyError) as refused:
        Money.parse(value, currency)

    assert refused.value.code == code


@given(st.integers(0, 10**14), st.sampled_from(sorted(EXPONENTS)))
def test_writing_and_reading_is_the_same_amount(minor: int, currency: str) -> None:
    """For every amount in every currency, as a string and as a JSON number."""
    money = Money(minor, currency)

    text = money.decimal_text()

    assert Money.parse(text, currency) == money
    number = decode_body(f'{{"amount": {text}}}'.encode())["amount"]
    assert Money.parse(number, currency) == money


@given(st.text(max_size=40))
def test_any_text_is_an_amount_or_a_clear_refusal(text: str) -> None:
    """Nothing else ever comes out of the parser."""
    try:
        money = Money.parse(text, "USD")
    except MoneyError as refused:
        assert refused.code in {"not_a_number", "too_many_decimals", "too_large"}
    else:
        assert Decimal(text.strip()) == Decimal(money.amount_minor) / 100


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        st.lists,
    )
)
def test_any_json_value_is_an_amount_or_a_clear_refusal(value: object) -> None:
    """Wrong types are named, not converted."""
    body = decode_body(json.dumps({"amount": value}, allow_nan=False).encode())

    try:
        Money.parse(body["amount"], "USD")
    except MoneyError as refused:
        assert refused.code
