"""The Charity Commission's own extract for England and Wales (`publicextract.charity.txt`).

Tab-separated, CRLF, no quotes, backslash escapes. Linked charities belong to the one they are
linked to and are skipped. Contact addresses, telephone numbers and mailboxes are never read.
What a charity does is in a side table (`publicextract.charity_classification.txt`), read first
when it is among the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from almoner.charities.categories import from_commission, from_words
from almoner.charities.names import plain_text, readable
from almoner.charities.registers import NAME_LENGTH_MAX, Bad, Listed, Row, Skipped, shortened
from almoner.charities.registers.prose import readable_prose
from almoner.charities.registers.records import Lines, tab_separated
from almoner.charities.websites import website_of

REGISTER: Final = "gb-ccew"
COLUMNS: Final = (
    "registered_charity_number", "linked_charity_number", "charity_name",
    "charity_registration_status", "charity_contact_web", "charity_activities",
)  # fmt: skip
SIDE_COLUMNS: Final = (
    "registered_charity_number", "linked_charity_number", "classification_code",
)  # fmt: skip
_NUMBER: Final = re.compile(r"\d{6,7}", re.ASCII)


def is_header(fields: list[str]) -> bool:
    """Whether a first row is the header of the main table."""
    return set(COLUMNS) <= set(fields)


def is_side_header(fields: list[str]) -> bool:
    """Whether a first row is the header of the table of classifications."""
    return set(SIDE_COLUMNS) <= set(fields)


def read_categories(header: list[str], lines: Lines) -> dict[str, str]:
    """The category of each charity number; one short string a charity is all that is kept.

    The table is sorted by charity, so the codes of one stand together.
    """
    at = [header.index(column) for column in SIDE_COLUMNS]
    categories: dict[str, str] = {}
    number, codes = "", set[str]()
    for record in tab_separated(lines):
        if isinstance(record, Bad) or len(record.fields) != len(header):
            continue
        charity, linked, code = (record.fields[index] for index in at)
        if linked != "0":
            continue
        if charity != number:
            categories[number] = from_commission(codes)
            number, codes = charity, set()
        codes.add(code)
    categories[number] = from_commission(codes)
    return categories


def read(header: list[str], lines: Lines, categories: Mapping[str, str]) -> Iterator[Row]:
    """The rows after the header of the main table."""
    at = {column: header.index(column) for column in COLUMNS}
    for record in tab_separated(lines):
        line = record.line + 1
        if isinstance(record, Bad):
            yield Bad(line, record.reason)
        elif len(record.fields) != len(header):
            yield Bad(line, f"{len(record.fields)} fields where the header has {len(header)}")
        else:
            fields = {column: record.fields[at[column]].strip() for column in COLUMNS}
            yield _row(line, fields, categories)


def _row(line: int, field: dict[str, str], categories: Mapping[str, str]) -> Row:
    number = field["registered_charity_number"]
    if not _NUMBER.fullmatch(number):
        return Bad(line, f"{number[:20]!r} is not a number of the register {REGISTER}")
    if field["linked_charity_number"] != "0":
        return Skipped(line, "linked")
    if field["charity_registration_status"] != "Registered":
        return Skipped(line, "not_active", REGISTER, number)
    name = readable(field["charity_name"])
    if not name:
        return Bad(line, f"{number} has no name")
    prose = readable_prose(plain_text(field["charity_activities"]))
    category = categories.get(number, "other")
    return Listed(
        line=line,
        register=REGISTER,
        register_id=number,
        name=shortened(name, NAME_LENGTH_MAX) or "",
        description=shortened(prose),
        category=from_words(name, prose) if category == "other" else category,
        country="GB",
        website=website_of(field["charity_contact_web"]),
    )
