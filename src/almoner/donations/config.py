"""What the pages must know before a donor can give. Nothing in it is secret."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

import almoner
from almoner.charities.categories import TITLES
from almoner.donations.form import LOCALES, AmountBounds
from almoner.money import EXPONENTS, Money


class CurrencyView(Struct, frozen=True):
    """A currency that is taken, with the least and the most of one gift in major units."""

    code: str
    exponent: int
    min: str
    max: str


class CardView(Struct, frozen=True):
    """A published test card."""

    number: str
    expiry: str
    cvv: str


class CategoryView(Struct, frozen=True):
    """A cause, with its title by language."""

    key: str
    title: dict[str, str]


class PublicConfig(Struct, frozen=True):
    """The public settings. `client` is what the gateway's script in the page needs, if anything.

    `limits` is the name of the limits in force: `standard`, or `sandbox` for trials.
    """

    version: str
    gateway: str
    sandbox: bool
    client: dict[str, Any] | None
    currencies: list[CurrencyView]
    default_currency: str
    donor_wait_seconds: float
    languages: list[str]
    test_card: CardView | None
    categories: list[CategoryView]
    limits: str


SANDBOX_CARD: Final = CardView("4111 1111 1111 1111", "12/30", "123")


def public_config(
    gateway: str, bounds: AmountBounds, donor_wait_ms: int, limits: str
) -> PublicConfig:
    """The public settings of this installation."""
    sandbox = gateway == "sandbox"
    return PublicConfig(
        version=almoner.__version__,
        gateway=gateway,
        sandbox=sandbox,
        client=None,
        currencies=[_currency(code, bounds) for code in bounds.currencies],
        default_currency=bounds.currencies[0],
        donor_wait_seconds=donor_wait_ms / 1000,
        languages=list(LOCALES),
        test_card=SANDBOX_CARD if sandbox else None,
        categories=[CategoryView(key, title) for key, title in TITLES.items()],
        limits=limits,
    )


def _currency(code: str, bounds: AmountBounds) -> CurrencyView:
    return CurrencyView(
        code,
        EXPONENTS[code],
        Money(bounds.minor(bounds.least, code), code).decimal_text(),
        Money(bounds.minor(bounds.most, code), code).decimal_text(),
    )
