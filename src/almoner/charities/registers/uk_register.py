"""The UK register as one CSV: England and Wales, Scotland and Northern Ireland.

The columns are those of the UK Charity Activity Tags data (`org_id`, `reg_number`, `name`,
`active`, `activities`, `objects`, `source`, `web`, `UKCAT`, `ICNPTSO`). Postcodes may be those
of private homes and are never read; dates and amounts are not needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from almoner.charities.categories import from_uk, from_words
from almoner.charities.names import plain_text, readable
from almoner.charities.registers import (
    NAME_LENGTH_MAX,
    Bad,
    Listed,
    NotThisFormat,
    Row,
    Skipped,
    shortened,
)
from almoner.charities.registers.prose import readable_prose
from almoner.charities.registers.records import Lines, comma_separated
from almoner.charities.websites import website_of

COLUMNS: Final = (
    "org_id", "reg_number", "name", "active", "activities", "objects", "web", "UKCAT", "ICNPTSO",
)  # fmt: skip
_ORG_ID: Final = re.compile(r"GB-(CHC|SC|NIC)-([A-Z0-9-]+)")
_REGISTERS: Final = {"CHC": "gb-ccew", "SC": "gb-oscr", "NIC": "gb-ccni"}
_NUMBER: Final = {
    "gb-ccew": re.compile(r"\d{6,7}"),
    "gb-oscr": re.compile(r"SC\d{6}"),
    "gb-ccni": re.compile(r"NI\d{6}"),
}


def is_header(fields: list[str]) -> bool:
    """Whether a first row is the header of this file."""
    return set(COLUMNS) <= {field.strip() for field in fields}


def read(header: list[str], lines: Lines) -> Iterator[Row]:
    """The rows after the header. Raises NotThisFormat when a column is missing."""
    names = [field.strip() for field in header]
    if not is_header(header):
        raise NotThisFormat("This is not the UK register: columns are missing.")
    at = {name: names.index(name) for name in COLUMNS}
    for record in comma_separated(lines, multiline=True):
        line = record.line + 1
        if isinstance(record, Bad):
            yield Bad(line, record.reason)
        elif len(record.fields) != len(names):
            yield Bad(line, f"{len(record.fields)} fields where the header has {len(names)}")
        else:
            yield _row(line, {name: record.fields[at[name]].strip() for name in COLUMNS})


def _row(line: int, field: dict[str, str]) -> Row:
    match = _ORG_ID.fullmatch(field["org_id"])
    if match is None:
        return Bad(line, f"org_id {field['org_id'][:30]!r} is none of a UK register")
    register, number = _REGISTERS[match.group(1)], match.group(2)
    if register == "gb-ccni":
        number = "NI" + number.removeprefix("NI")
    if not _NUMBER[register].fullmatch(number):
        return Bad(line, f"{number[:20]!r} is not a number of the register {register}")
    if not field["name"]:
        return Skipped(line, "only_an_id")
    active = field["active"].lower()
    if active in {"false", "0", "f"}:
        return Skipped(line, "not_active", register, number)
    if active not in {"true", "1", "t"}:
        return Bad(line, f"{number} is neither active nor not: {field['active'][:20]!r}")
    return _listed(line, register, number, field)


def _listed(line: int, register: str, number: str, field: dict[str, str]) -> Listed:
    """Scottish rows mostly lack activities; their objects are the next best."""
    name = readable(field["name"])
    prose = readable_prose(_told(field["activities"]) or _told(field["objects"]))
    category = from_uk(field["ICNPTSO"], field["UKCAT"])
    return Listed(
        line=line,
        register=register,
        register_id=number,
        name=shortened(name, NAME_LENGTH_MAX) or "",
        description=shortened(prose),
        category=from_words(name, prose) if category == "other" else category,
        country="GB",
        website=website_of(field["web"]),
    )


def _told(text: str) -> str:
    text = plain_text(text)
    return "" if text.casefold().rstrip(".") in {"no details supplied", "n/a", "none"} else text
