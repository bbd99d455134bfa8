"""A card as a server-to-server caller sends it. It lives in memory for one request only."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from almoner.platform.errors import FieldError

_EXPIRY: Final = re.compile(r"(0[1-9]|1[0-2])/(\d{2}|\d{4})", re.ASCII)
_DIGIT_RUN: Final = re.compile(r"[0-9](?:[ -]?[0-9]){12,18}")
_ID_OR_DIGITS: Final = re.compile(
    rb"(?P<id>(?<![0-9a-fA-F])"
    rb"(?:(?=[0-9]*[a-fA-F])[0-9a-fA-F]{32}"
    rb"|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})"
    rb"(?![0-9a-fA-F]))"
    rb"|(?:[0-9]|\\u003[0-9])(?:[ -]?(?:[0-9]|\\u003[0-9])){12,}"
)
"""Ids as we make them, which stay, or digits in a row, as JSON may write them."""
_NOT_A_DIGIT: Final = re.compile(rb"\\u003|[ -]")
_FIRST_DIGITS: Final = tuple("23456")
_LONG: Final = 64
"""So many digits in a row are no number of anything that we need."""
_FIELDS: Final = ("card_number", "expiration_date", "cvv")


class Card(Struct, frozen=True):
    """A card that passed every check that can be made without asking a bank."""

    number: str

    def __repr__(self) -> str:
        return "Card(...)"


def read_card(value: object, now: datetime | None = None) -> Card | list[FieldError]:
    """Check a `payment_card` object; gives the card, or every error at once.

    The messages never repeat what was sent.
    """
    if not isinstance(value, dict):
        return [_error("", "wrong_type", "Send an object with card_number, expiration_date, cvv.")]
    texts = {name: _text(value, name) for name in _FIELDS}
    errors = [e for e in texts.values() if isinstance(e, FieldError)]
    errors += [
        _error(name, "unknown_field", "This field is not known here; leave it out.")
        for name in value
        if name not in _FIELDS
    ]
    number, expiry, cvv = (texts[name] for name in _FIELDS)
    if isinstance(number, str):
        number = re.sub(r"[ -]", "", number)
        errors += _check_number(number)
    if isinstance(expiry, str):
        errors += _check_expiry(expiry, now or datetime.now(UTC))
    if isinstance(cvv, str):
        errors += _check_cvv(cvv, number if isinstance(number, str) else "")
    if errors or not isinstance(number, str):
        return errors
    return Card(number)


def _text(card: dict[str, Any], name: str) -> str | FieldError:
    value = card.get(name)
    if value is None:
        return _error(name, "missing", "Fill this in.")
    if not isinstance(value, str):
        return _error(name, "wrong_type", "Send this as text, in quotes.")
    return value.strip() or _error(name, "empty", "Fill this in.")


def _check_number(number: str) -> list[FieldError]:
    if not number.isascii() or not number.isdigit():
        return [_error("card_number", "not_a_number", "A card number has digits only.")]
    if not 12 <= len(number) <= 19:
        return [_error("card_number", "wrong_length", "A card number has 12 to 19 digits.")]
    if not luhn_valid(number):
        return [_error("card_number", "luhn", "A digit of the card number is wrong.")]
    return []


def _check_expiry(text: str, now: datetime) -> list[FieldError]:
    match = _EXPIRY.fullmatch(text)
    if match is None:
        return [_error("expiration_date", "invalid", "Write it as MM/YY, for example 04/30.")]
    month, year = int(match[1]), int(match[2])
    year += 2000 if year < 100 else 0
    if (year, month) < (now.year, now.month):
        return [_error("expiration_date", "expired", "This card has expired. Use another card.")]
    if year > now.year + 30:
        return [_error("expiration_date", "invalid", "This year is too far away.")]
    return []


def _check_cvv(cvv: str, number: str) -> list[FieldError]:
    if not cvv.isascii() or not cvv.isdigit():
        return [_error("cvv", "not_a_number", "The security code has digits only.")]
    expected = (4,) if number.startswith(("34", "37")) else (3,) if number else (3, 4)
    if len(cvv) not in expected:
        digits = " or ".join(str(length) for length in expected)
        return [_error("cvv", "wrong_length", f"This card's security code has {digits} digits.")]
    return []


def holds_card_number(text: str) -> bool:
    """Whether 13 to 19 digits stand in a text that a card could have (with spaces or dashes).

    Payment cards begin with 2 to 6 (the major industry identifier of ISO/IEC 7812-1). A Chinese
    telephone number with its country code, which people have as a mailbox, begins with 86.
    """
    runs = (re.sub(r"[ -]", "", run).lstrip("0") for run in _DIGIT_RUN.findall(text))
    return any(run.startswith(_FIRST_DIGITS) and luhn_valid(run) for run in runs)


def hide_card_numbers(body: bytes) -> bytes:
    """Bytes from outside with all digits in a row taken out in which a card number could be.

    It may stand behind letters, before other digits, or be escaped as JSON allows. Ids as we make
    them stay.
    """

    def hidden(found: re.Match[bytes]) -> bytes:
        if found["id"]:
            return found[0]
        digits = _NOT_A_DIGIT.sub(b"", found[0]).decode()
        return b"[removed]" if _could_hold_card(digits) else found[0]

    return _ID_OR_DIGITS.sub(hidden, body)


def _could_hold_card(digits: str) -> bool:
    """Whether 13 to 19 of these digits, one after the other, could be a card's."""
    if len(digits) > _LONG or (len(digits) <= 19 and luhn_valid(digits)):
        return True
    return any(
        luhn_valid(digits[start : start + length])
        for start in range(len(digits) - 12)
        if digits[start] in _FIRST_DIGITS
        for length in range(13, min(19, len(digits) - start) + 1)
    )


def luhn_valid(digits: str) -> bool:
    """The check digit of ISO/IEC 7812-1, annex B."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _error(name: str, code: str, message: str) -> FieldError:
    return FieldError(f"payment_card.{name}" if name else "payment_card", code, message)
