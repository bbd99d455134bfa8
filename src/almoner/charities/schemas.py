"""Charities on the wire, and the questions that may be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from almoner.charities.categories import CATEGORIES
from almoner.platform.errors import FieldError, Invalid

LANGUAGES: Final = ("en", "zh-CN")
LIMIT_DEFAULT: Final = 24
LIMIT_MAX: Final = 100
QUERY_LENGTH_MAX: Final = 100
SUMMARY_LENGTH_MAX: Final = 280


class RegisterEntry(Struct, frozen=True):
    """Where a charity is registered (`us-irs`, `gb-ccew`, ...) and its number there."""

    name: str
    id: str


class CharityItem(Struct, frozen=True):
    """One charity, in the language asked for where it has that, else in English."""

    charity_id: int
    slug: str
    name: str
    description: str | None
    category: str
    country: str
    place: str | None
    website: str | None
    register: RegisterEntry | None
    picture: str
    currencies: list[str]
    status: str


class CharityPage(Struct, frozen=True):
    """A page of the list. `next` is the cursor of the page after it, null on the last.

    `stale` is there, and true, only when the database is away and this is the last known copy.
    """

    items: list[CharityItem]
    next: str | None
    stale: bool | UnsetType = UNSET


class Filters(Struct, frozen=True):
    """What narrows the list. A cursor belongs to one set of filters."""

    q: str = ""
    category: str = ""
    country: str = ""


class PageQuery(Struct, frozen=True):
    """One page, as asked for. Equal questions share one cached answer."""

    filters: Filters = Filters()
    cursor: str = ""
    limit: int = LIMIT_DEFAULT
    lang: str = "en"

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> PageQuery:
        """Read query parameters; those it does not know are left alone.

        Raises Invalid naming every parameter that cannot be used.
        """
        errors: list[FieldError] = []
        query = cls(
            Filters(_q(given, errors), _category(given, errors), _country(given, errors)),
            given.get("cursor", ""),
            _limit(given, errors),
            language(given, errors),
        )
        if errors:
            raise Invalid(errors)
        return query


def language(given: Mapping[str, str], errors: list[FieldError]) -> str:
    """The parameter `lang`, English when there is none."""
    lang = given.get("lang") or "en"
    if lang not in LANGUAGES:
        errors.append(FieldError("lang", "unknown", f"Use one of: {', '.join(LANGUAGES)}."))
    return lang


def _q(given: Mapping[str, str], errors: list[FieldError]) -> str:
    q = " ".join(given.get("q", "").replace("\x00", " ").split())
    if len(q) > QUERY_LENGTH_MAX:
        message = f"Search for at most {QUERY_LENGTH_MAX} characters."
        errors.append(FieldError("q", "too_long", message))
    return q


def _category(given: Mapping[str, str], errors: list[FieldError]) -> str:
    category = given.get("category", "")
    if category and category not in CATEGORIES:
        message = f"Use one of: {', '.join(CATEGORIES)}."
        errors.append(FieldError("category", "unknown", message))
    return category


def _country(given: Mapping[str, str], errors: list[FieldError]) -> str:
    country = given.get("country", "").upper()
    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        message = "Use the two letters of ISO 3166, such as US."
        errors.append(FieldError("country", "malformed", message))
    return country


def _limit(given: Mapping[str, str], errors: list[FieldError]) -> int:
    text = given.get("limit") or str(LIMIT_DEFAULT)
    if text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= LIMIT_MAX:
        return int(text)
    errors.append(FieldError("limit", "out_of_range", f"Use a number from 1 to {LIMIT_MAX}."))
    return LIMIT_DEFAULT
