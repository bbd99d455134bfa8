"""Exact money: an amount in minor units and an ISO 4217 currency code.

Nothing here rounds and nothing here touches a float.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

import msgspec

EXPONENTS: Final[dict[str, int]] = {
    "AUD": 2, "BRL": 2, "CAD": 2, "CHF": 2, "CNY": 2, "CZK": 2, "DKK": 2, "EUR": 2,
    "GBP": 2, "HKD": 2, "INR": 2, "JPY": 0, "KRW": 0, "KWD": 3, "MXN": 2, "NOK": 2,
    "NZD": 2, "PLN": 2, "SEK": 2, "SGD": 2, "TWD": 2, "USD": 2, "ZAR": 2,
}  # fmt: skip
"""Decimals of each currency that Almoner can take (ISO 4217, table A.1)."""

_AMOUNT: Final = re.compile(r"(-?)(\d{1,400})(?:\.(\d{1,400}))?", re.ASCII)
_WHOLE_DIGITS_MAX: Final = 15
_TINY: Final = "0.0000001"  # stands for what has more decimals than any currency


class MoneyError(ValueError):
    """An amount that cannot be read as money. `code` is stable; the text is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Money(msgspec.Struct, frozen=True, order=True):
    """`amount_minor` in the smallest unit of `currency` (cents for USD, yen for JPY)."""

    amount_minor: int
    currency: str

    @classmethod
    def parse(cls, value: object, currency: str) -> Money:
        """Read a JSON number or decimal string exactly.

        Raises MoneyError with code `wrong_type`, `not_a_number`, `too_many_decimals`,
        `too_large` (more than fifteen digits) or `unknown_currency`.
        """
        exponent = EXPONENTS.get(currency)
        if exponent is None:
            raise MoneyError("unknown_currency", f"{currency!r} is not a currency we can take.")
        return cls(_minor_units(_plain_text(value), exponent, currency), currency)

    def decimal_text(self) -> str:
        """The amount in major units with all of the currency's decimals, such as `50.00`."""
        exponent = EXPONENTS[self.currency]
        sign = "-" if self.amount_minor < 0 else ""
        digits = str(abs(self.amount_minor)).rjust(exponent + 1, "0")
        if exponent == 0:
            return sign + digits
        return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"


def _plain_text(value: object) -> str:
    """The digits as the sender wrote them; exponents of a JSON number are written out."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise MoneyError("wrong_type", "Write the amount as a number, for example 50.00.")
    if isinstance(value, str):
        return value.strip()
    number = Decimal(value)
    if not number.is_finite():
        raise MoneyError("not_a_number", "Write the amount as a number, for example 50.00.")
    if not number:
        return "0"  # however many zeros stand around it
    if number.adjusted() >= _WHOLE_DIGITS_MAX:
        raise MoneyError("too_large", "The amount is too large.")
    return format(number, "f") if number.adjusted() > -_WHOLE_DIGITS_MAX else _TINY


def _minor_units(text: str, exponent: int, currency: str) -> int:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise MoneyError("not_a_number", "Write the amount as a number, for example 50.00.")
    sign, whole, fraction = match.group(1), match.group(2), (match.group(3) or "").rstrip("0")
    if len(fraction) > exponent:
        allowed = f"at most {exponent} decimals" if exponent else "no decimals"
        raise MoneyError("too_many_decimals", f"{currency} has {allowed}.")
    if len(whole.lstrip("0")) > _WHOLE_DIGITS_MAX:
        raise MoneyError("too_large", "The amount is too large.")
    minor = int(whole + fraction.ljust(exponent, "0"))
    return -minor if sign else minor
