"""Read the body of `POST /donations`: a gift, or every error at once, each with its field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
from email_validator import EmailNotValidError, validate_email
from msgspec import Struct

from almoner.charities.choose import ChosenCharity
from almoner.donations.challenge import SOLUTION_LENGTH_MAX
from almoner.donations.gift import fingerprint_of
from almoner.money import EXPONENTS, Money, MoneyError
from almoner.payments.card import Card, holds_card_number, read_card
from almoner.platform.errors import FieldError, Problem

NAME_LENGTH_MAX: Final = 100
EMAIL_LENGTH_MAX: Final = 254
LOCAL_PART_LENGTH_MAX: Final = 64
NONCE_LENGTH_MAX: Final = 512
UNKNOWN_FIELDS_NAMED_MAX: Final = 20
LOCALES: Final = ("en", "zh-CN")

_FIELDS: Final = frozenset(
    (
        "first_name", "last_name", "email", "charity_id", "amount", "currency",
        "payment_method_nonce", "payment_card", "form_token", "confirm_duplicate", "locale",
        "challenge_solution", "website",
    )
)  # fmt: skip
_QUOTED_NAMES: Final = tuple(
    f'"{name}"'.encode() for name in (*_FIELDS, "card_number", "expiration_date", "cvv")
)
_UNSEEN: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
    r"|[\ud800-\udfff]"
)
"""Control characters, and signs that cannot be seen or turn a line's direction."""

_PLAIN_EMAIL: Final = re.compile(
    r"[a-z0-9]+(?:[._+-][a-z0-9]+){0,8}@(?:[a-z0-9]{1,30}(?:-[a-z0-9]{1,20})?\.){1,3}"
    r"(?:com|org|net|edu|gov|io|de|fr|uk|cn|jp|hk|in|ca|au|br|ch|nl|se|no|dk|es|it)"
)
_MARKUP_SIGNS: Final = re.compile(r"[<>]")
_decoder: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


class AmountBounds(Struct, frozen=True):
    """Smallest and largest gift, and the currencies that are taken.

    The bounds are in major units of a currency with decimals. In one without, such as the yen,
    they count a hundredfold: its unit is worth about a cent.
    """

    least: Decimal
    most: Decimal
    currencies: tuple[str, ...]

    def minor(self, bound: Decimal, currency: str) -> int:
        """A bound in the minor units of a currency."""
        return int(bound.scaleb(max(EXPONENTS[currency], 2)))


class Form(Struct, frozen=True):
    """The fields that could be checked without knowing the charity or the gateway."""

    first_name: str
    last_name: str
    email: str
    email_normalised: str
    charity_id: int
    money: Money
    locale: str
    confirm_duplicate: bool
    nonce: str | None
    card: Card | None


def decode_body(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises Problem 400 `malformed_json`; nothing of it is repeated."""
    try:
        if _may_repeat_a_name(body):
            json.loads(body, object_pairs_hook=_without_repetition)
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError, ArithmeticError):
        raise Problem(
            400,
            "malformed_json",
            "The body cannot be read",
            "Send one JSON object in UTF-8, each name once.",
        ) from None


def _may_repeat_a_name(body: bytes) -> bool:
    """Whether a closer look is due: a known name stands there twice, or a name may be disguised."""
    return b"\\u" in body or any(body.count(name) > 1 for name in _QUOTED_NAMES)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two values for one name: nobody can know which amount was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is repeated")
    return found


def read_form(body: dict[str, Any], bounds: AmountBounds) -> tuple[Form | None, list[FieldError]]:
    """Check every field; gives the form if all are good, and every error."""
    errors: list[FieldError] = []

    def read(check: Callable[[dict[str, Any]], Any]) -> Any:
        try:
            return check(body)
        except _Refused as refused:
            errors.extend(refused.errors)
            return None

    first_name = read(lambda b: _name(b, "first_name"))
    last_name = read(lambda b: _name(b, "last_name"))
    email = read(_email)
    charity_id = read(_charity_id)
    money = read(lambda b: _money(b, bounds))
    instrument = read(_instrument)
    locale = read(_locale)
    confirm_duplicate = read(_confirm_duplicate)
    read(_form_token)
    read(_solution)
    read(_trap)
    unknown = [name for name in body if name not in _FIELDS]
    errors += [
        FieldError(_shown(name), "unknown_field", "This field is not known here; leave it out.")
        for name in unknown[:UNKNOWN_FIELDS_NAMED_MAX]
    ]
    if errors:
        return None, errors
    email_as_typed, email_normalised = email
    nonce, card = instrument
    form = Form(
        first_name=first_name,
        last_name=last_name,
        email=email_as_typed,
        email_normalised=email_normalised,
        charity_id=charity_id,
        money=money,
        locale=locale,
        confirm_duplicate=confirm_duplicate,
        nonce=nonce,
        card=card,
    )
    return form, []


def meaning_of(body: dict[str, Any]) -> bytes | None:
    """The fingerprint of a body, whatever today's rules say of it.

    None where a field is not even of the right kind: such a body was never taken.
    """
    names = [body.get("first_name"), body.get("last_name")]
    email, charity_id, currency = body.get("email"), body.get("charity_id"), body.get("currency")
    if not all(isinstance(text, str) for text in (*names, email, currency)):
        return None
    if isinstance(charity_id, bool) or not isinstance(charity_id, int):
        return None
    try:
        money = Money.parse(body.get("amount"), str(currency))
        _, email_normalised = normalise_email(str(email).strip())
    except (MoneyError, EmailNotValidError):
        return None
    first_name, last_name = (str(name).strip() for name in names)
    return fingerprint_of(charity_id, money, email_normalised, first_name, last_name)


def check_charity(charity: ChosenCharity | None, currency: str | None) -> list[FieldError]:
    """What is wrong with giving to this charity in this currency."""
    if charity is None:
        return [FieldError("charity_id", "unknown_charity", "There is no charity with this id.")]
    if charity.status != "active":
        return [FieldError("charity_id", "closed_charity", "This charity does not take gifts now.")]
    if currency and charity.currencies and currency not in charity.currencies:
        taken = ", ".join(charity.currencies)
        return [FieldError("currency", "unsupported_currency", f"This charity takes {taken}.")]
    return []


class _Refused(Exception):
    def __init__(self, *errors: FieldError) -> None:
        super().__init__()
        self.errors = errors


def _refuse(field: str, code: str, message: str) -> _Refused:
    return _Refused(FieldError(field, code, message))


def _text(body: dict[str, Any], field: str, length_max: int) -> str:
    value = body.get(field)
    if value is None:
        raise _refuse(field, "missing", "Fill this in.")
    if not isinstance(value, str):
        raise _refuse(field, "wrong_type", "Send this as text, in quotes.")
    value = value.strip()
    if not value:
        raise _refuse(field, "empty", "Fill this in.")
    if len(value) > length_max:
        raise _refuse(field, "too_long", f"Use at most {length_max} characters.")
    if _UNSEEN.search(value):
        raise _refuse(field, "invalid_characters", "Use letters and ordinary signs only.")
    return value


def _name(body: dict[str, Any], field: str) -> str:
    name = _text(body, field, NAME_LENGTH_MAX)
    if _MARKUP_SIGNS.search(name):
        raise _refuse(field, "invalid_characters", "A name has no < or >.")
    if not any(sign.isalnum() for sign in name):
        raise _refuse(field, "invalid_characters", "A name has at least one letter.")
    if holds_card_number(name):
        raise _refuse(field, "card_number", "This looks like a card number. Write your name here.")
    return name


def _email(body: dict[str, Any]) -> tuple[str, str]:
    text = _text(body, "email", EMAIL_LENGTH_MAX)
    if holds_card_number(text):
        raise _refuse("email", "card_number", "This looks like a card number, not an address.")
    try:
        return normalise_email(text)
    except EmailNotValidError:
        raise _refuse(
            "email", "invalid", "Write a full address, for example name@example.org."
        ) from None


def normalise_email(text: str) -> tuple[str, str]:
    """The address as it is written to, and the form in which equal addresses are equal.

    Raises EmailNotValidError. The mailbox is not asked (RFC 5321 forbids to guess at the left
    part's meaning; lower case is the one folding that every large provider does). An address of
    the plainest kind needs no library to be read: a test holds both ways against each other.
    """
    if _PLAIN_EMAIL.fullmatch(text) and text.index("@") <= LOCAL_PART_LENGTH_MAX:
        return text, text.lower()
    found = validate_email(text, check_deliverability=False)
    return found.normalized, found.normalized.lower()


def _charity_id(body: dict[str, Any]) -> int:
    value = body.get("charity_id")
    if value is None:
        raise _refuse("charity_id", "missing", "Say which charity the gift is for.")
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refuse("charity_id", "wrong_type", "Send the charity's id as a whole number.")
    if not 0 < value < 2**63:
        raise _refuse("charity_id", "unknown_charity", "There is no charity with this id.")
    return value


def _money(body: dict[str, Any], bounds: AmountBounds) -> Money:
    errors: list[FieldError] = []
    currency: str | None = None
    money: Money | None = None
    try:
        currency = _currency(body, bounds)
    except _Refused as refused:
        errors.extend(refused.errors)
    try:
        money = _amount(body, currency, bounds)
    except _Refused as refused:
        errors.extend(refused.errors)
    if errors or money is None:
        raise _Refused(*errors)
    return money


def _currency(body: dict[str, Any], bounds: AmountBounds) -> str:
    value = body.get("currency")
    if value is None:
        raise _refuse("currency", "missing", "Name the currency, for example USD.")
    if not isinstance(value, str):
        raise _refuse("currency", "wrong_type", "Send the currency as text, for example USD.")
    if not value.strip():
        raise _refuse("currency", "empty", "Name the currency, for example USD.")
    if value not in bounds.currencies:
        taken = ", ".join(bounds.currencies)
        raise _refuse("currency", "unknown_currency", f"Use one of {taken}.")
    return value


def _amount(body: dict[str, Any], currency: str | None, bounds: AmountBounds) -> Money:
    """The amount; where the currency is unknown, what can be said without it."""
    value = body.get("amount")
    if value is None:
        raise _refuse("amount", "missing", "Say how much you would like to give.")
    if isinstance(value, str) and not value.strip():
        raise _refuse("amount", "empty", "Say how much you would like to give.")
    try:
        money = Money.parse(value, currency or bounds.currencies[0])
    except MoneyError as error:
        if currency is None and error.code == "too_many_decimals":
            return Money(1, bounds.currencies[0])
        raise _refuse("amount", error.code, str(error)) from None
    _check_bounds(money, bounds)
    return money


def _check_bounds(money: Money, bounds: AmountBounds) -> None:
    least = Money(bounds.minor(bounds.least, money.currency), money.currency)
    most = Money(bounds.minor(bounds.most, money.currency), money.currency)
    if money.amount_minor < 0:
        raise _refuse("amount", "negative", "The amount must be more than zero.")
    if money.amount_minor == 0:
        raise _refuse("amount", "zero", "The amount must be more than zero.")
    if money < least:
        raise _refuse(
            "amount", "too_small", f"Give at least {least.decimal_text()} {money.currency}."
        )
    if money > most:
        raise _refuse(
            "amount", "too_large", f"Give at most {most.decimal_text()} {money.currency} at once."
        )


def _instrument(body: dict[str, Any]) -> tuple[str | None, Card | None]:
    nonce, card = body.get("payment_method_nonce"), body.get("payment_card")
    if nonce is None and card is None:
        raise _refuse("payment_method_nonce", "missing", "Say how the gift is paid.")
    if nonce is not None and card is not None:
        raise _refuse("payment_card", "conflict", "Send a nonce or a card, not both.")
    if card is None:
        return _text(body, "payment_method_nonce", NONCE_LENGTH_MAX), None
    read = read_card(card)
    if isinstance(read, list):
        raise _Refused(*read)
    return None, read


def _locale(body: dict[str, Any]) -> str:
    value = body.get("locale", "en")
    if value not in LOCALES:
        raise _refuse("locale", "invalid", f"Use one of {', '.join(LOCALES)}.")
    return str(value)


def _confirm_duplicate(body: dict[str, Any]) -> bool:
    value = body.get("confirm_duplicate", False)
    if not isinstance(value, bool):
        raise _refuse("confirm_duplicate", "wrong_type", "Send true or false.")
    return value


def _form_token(body: dict[str, Any]) -> None:
    value = body.get("form_token")
    if value is not None and not (isinstance(value, str) and value.isascii() and len(value) < 512):
        raise _refuse("form_token", "wrong_type", "Send the token as GET /donation-form gave it.")


def _solution(body: dict[str, Any]) -> None:
    value = body.get("challenge_solution")
    if value is not None and not (
        isinstance(value, str) and value.isascii() and len(value) <= SOLUTION_LENGTH_MAX
    ):
        raise _refuse("challenge_solution", "wrong_type", "Send the solution as ALTCHA writes it.")


def _trap(body: dict[str, Any]) -> None:
    """A field that no person sees. What stands in it is never an error that a script learns by."""
    if not isinstance(body.get("website", ""), str | None):
        raise _refuse("website", "wrong_type", "Send this as text, in quotes.")


def _shown(name: str) -> str:
    """A field's name short and plain enough to be repeated in an answer."""
    return name[:40] if name.isidentifier() and name.isascii() else "(unnamed)"
