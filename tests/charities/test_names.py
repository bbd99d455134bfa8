"""Names, addresses and words as people read and type them."""

from __future__ import annotations

import psycopg
import pytest

from almoner.charities.names import readable
from almoner.charities.registers.prose import readable_prose
from almoner.charities.slugs import slug_of
from almoner.charities.websites import website_of
from almoner.charities.words import fold, words_query


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("AMERICAN NATIONAL RED CROSS", "American National Red Cross"),
        ("CASA FOR CHILDREN OF THE DISTRICT OF COLUMBIA",
         "Casa for Children of the District of Columbia"),
        ("THE YMCA OF THE USA INC", "The YMCA of the USA Inc"),
        ("FAMILIES U S A FOUNDATION", "Families U S A Foundation"),
        ("ST GEMMA'S HOSPICE", "St Gemma's Hospice"),
        ("O'BRIEN & MCDONALD FOUNDATION", "O'Brien & McDonald Foundation"),
        ("POPE JOHN XXIII HOUSE II", "Pope John XXIII House II"),
        ("21ST CENTURY SCHOOL FUND", "21st Century School Fund"),
        ("CAMPAIGN FOR TOBACCO-FREE KIDS", "Campaign for Tobacco-Free Kids"),
        ("KIPP DC PUBLIC CHARTER SCHOOLS", "KIPP DC Public Charter Schools"),
        ("NPR PBS HIV RSPCA", "NPR PBS HIV RSPCA"),
        ("3-A SANITARY STANDARDS", "3-A Sanitary Standards"),
        ("MASTER AND FELLOWS (OR KEEPER) OF", "Master and Fellows (Or Keeper) Of"),
        ("  OCCA \x00 House ", "OCCA House"),
        ("École LIBRE", "École LIBRE"),
    ],
)  # fmt: skip
def test_capitals_become_readable_and_nothing_is_invented(written: str, read: str) -> None:
    """A name in capitals gets title case; letters are never added or lost."""
    result = readable(written)

    assert result == read
    assert result.casefold().split() == written.replace("\x00", " ").casefold().split()


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("www.enginuity.org", "http://www.enginuity.org"),
        ("https://RNLI.org/", "https://rnli.org"),
        ("http://https://x.org", "https://x.org"),
        ("www.theleys.net,www.stfaiths.co.uk", "http://www.theleys.net"),
        ("ericwright.co.uk/charitable-trust/", "http://ericwright.co.uk/charitable-trust"),
        ("http://in progress", None),
        ("http://Kings Avenue", None),
        ("N/A", None),
        ("info@river.org", None),
        ("javascript:alert(1)", None),
        ("http://x.org/<script>", None),
        ("", None),
    ],
)
def test_a_website_is_an_address_or_nothing(field: str, address: str | None) -> None:
    """Junk in the field never becomes a link."""
    assert website_of(field) == address


def test_shouted_descriptions_are_lowered_and_others_left_alone() -> None:
    """Only a text that is mostly capitals is touched."""
    assert readable_prose("TO HELP PEOPLE. AND ANIMALS.") == "To help people. And animals."
    assert readable_prose("The NHS and HEMS.") == "The NHS and HEMS."


def test_a_slug_ends_in_the_register_number() -> None:
    """So it is unique and needs no look-up."""
    assert slug_of("Médecins & Co. O'Neil", "US", "010466768") == "medecins-co-oneil-us-010466768"
    assert slug_of("世界", "GB", "SC000038") == "charity-gb-sc000038"
    assert len(slug_of("word " * 60, "GB", "1")) < 80


@pytest.mark.parametrize(
    "text",
    [
        "ÉCOLE — L'Été (東京) \ufb01",
        "ガ\u3000\uff11\uff12",
        "St. Mary\u2019s/Child`s",
        "世界自然基金会",
        "ẞtraße İx",
        " - ",
    ],
)
def test_python_and_sql_fold_text_alike(text: str, database_url: str) -> None:
    """What is searched and what is stored must be compared in the same form."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT charity_fold(%s)", [text]).fetchone()

    assert row == (fold(text),)


def test_the_last_word_may_be_half_typed_and_chinese_is_a_phrase() -> None:
    """The query for the full text search."""
    assert words_query("red cros", weight="A") == "'red':A & 'cros':*A"
    assert words_query("红十字") == "('红' <-> '十' <-> '字')"
    assert words_query("") == ""
