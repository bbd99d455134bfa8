"""Amounts are read exactly, and what is no amount is said to be none."""

from __future__ import annotations

import json
from decimal import Context, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almoner.donations.form import decode_body
from almoner.money import EXPONENTS, Money, MoneyError

ASCII = st.characters(codec="ascii")


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


AS_WRITTEN = st.from_regex(
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,8})?([eE][+-]?[0-9]{1,3})?", fullmatch=True, alphabet=ASCII
)
"""Every form that JSON has for a number (RFC 8259, section 6)."""


@settings(max_examples=500)
@given(AS_WRITTEN, st.sampled_from(["JPY", "KRW", "USD", "EUR", "KWD"]))
def test_a_json_number_is_read_exactly_or_does_not_fit(text: str, currency: str) -> None:
    """With no, two and three decimals: no number that fits is refused, none that does not is
    rounded, and the code says which way it does not fit."""
    number = Decimal(text)
    minor = number.scaleb(EXPONENTS[currency], Context(prec=400))
    whole = minor == minor.to_integral_value()
    value = decode_body(f'{{"amount": {text}}}'.encode())["amount"]

    try:
        money = Money.parse(value, currency)
    except MoneyError as refused:
        if refused.code == "too_many_decimals":
            assert not whole
        else:
            assert refused.code == "too_large"
            assert abs(number) >= 10**15
    else:
        assert whole
        assert money == Money(int(minor), currency)


@settings(max_examples=300)
@given(
    st.from_regex(r"[ \t]?-?[0-9]{1,18}(\.[0-9]{1,6})?[ \t]?", fullmatch=True, alphabet=ASCII),
    st.sampled_from(["JPY", "KRW", "USD", "EUR", "KWD"]),
)
def test_a_decimal_string_is_read_exactly_or_does_not_fit(text: str, currency: str) -> None:
    """The same for what a form sends, with spaces and leading zeros."""
    number = Decimal(text.strip())
    minor = number.scaleb(EXPONENTS[currency], Context(prec=400))

    try:
        money = Money.parse(text, currency)
    except MoneyError as refused:
        if refused.code == "too_many_decimals":
            assert minor != minor.to_integral_value()
        else:
            assert (refused.code, abs(number) >= 10**15) == ("too_large", True)
    else:
        assert money.amount_minor == minor


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
