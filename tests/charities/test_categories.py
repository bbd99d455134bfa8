"""Every code of the registers means one of our categories."""

from __future__ import annotations

import csv
from pathlib import Path

import psycopg

from almoner.charities.categories import (
    _COMMISSION,
    CATEGORIES,
    TITLES,
    from_commission,
    from_icnptso,
    from_ntee,
    from_uk,
    from_ukcat,
    from_words,
)
from almoner.charities.scenes import SCENES


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_ntee_code_has_a_category(shared_data: Path) -> None:
    """Only philanthropy, mutual benefit and unknown may be `other`."""
    codes = [row["ntee"] for row in table(shared_data / "registers/ntee/ntee-codes.csv")]

    assert {from_ntee(code) for code in codes} <= set(CATEGORIES)
    assert {code[0] for code in codes if from_ntee(code) == "other"} == {"T", "Y", "Z"}


def test_every_uk_code_has_a_category(shared_data: Path) -> None:
    """ICNP/TSO sections, groups and sub-groups, and all activity tags."""
    tags = [row["Code"] for row in table(shared_data / "registers/uk/ukcat.csv")]
    rows = table(shared_data / "registers/uk/icnptso.csv")
    codes = [row["Sub-group"] or row["Group"] or row["Section"] for row in rows]

    assert {from_ukcat(tag) for tag in tags} <= set(CATEGORIES)
    assert {tag[:2] for tag in tags if from_ukcat(tag) == "other"} == {"CA", "CV", "PR"}
    assert {code[0] for code in codes if from_icnptso(code) == "other"} <= set("HJKL")


def test_every_purpose_of_the_commission_has_a_category(shared_data: Path) -> None:
    """Codes that begin with 1 say what a charity does."""
    path = shared_data / "registers/uk/publicextract.charity_classification.txt"
    with path.open(encoding="utf-8") as file:
        codes = {row["classification_code"] for row in csv.DictReader(file, delimiter="\t")}

    assert {code for code in codes if code.startswith("1")} <= set(_COMMISSION)


def test_an_ntee_code_is_tried_by_three_characters_then_by_its_letter() -> None:
    """The fourth character never changes the cause; a blank says nothing."""
    assert from_ntee("P30Z") == from_ntee("P30") == "children"
    assert from_ntee("P991") == from_ntee("P") == "community"
    assert from_ntee("A6B") == "arts"
    assert from_ntee("") == from_ntee("?") == "other"


def test_a_uk_row_takes_the_first_code_that_says_something() -> None:
    """Grant making says nothing about the cause, the tag beside it does."""
    assert from_uk("H10", "CA202;AN101") == "animals"
    assert from_uk("D11", "AN101") == "children"
    assert from_uk("", "") == "other"
    assert from_commission({"102", "111", "207"}) == "animals"
    assert from_words("Blankshire Donkey Sanctuary", "") == "animals"


def test_the_set_is_the_same_everywhere(database_url: str) -> None:
    """Titles in both languages, a scene to draw, and the check in the database."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = 'charity'::regclass AND conname = 'charity_category_check'"
        ).fetchone()

    assert row is not None
    assert all(f"'{category}'" in row[0] for category in CATEGORIES)
    assert row[0].count("'::text") == len(CATEGORIES)
    assert set(SCENES) == set(CATEGORIES)
    assert all(set(title) == {"en", "zh-CN"} for title in TITLES.values())
