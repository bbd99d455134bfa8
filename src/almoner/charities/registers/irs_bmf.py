"""IRS Exempt Organizations Business Master File extract (`eo1.csv` ... `eo_xx.csv`).

Meaning of the columns: IRS, "Exempt Organizations Business Master File Extract (EO BMF):
Information Sheet". ICO, STREET and SORT_NAME may hold private persons: they are never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from almoner.charities.categories import from_ntee
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
from almoner.charities.registers.countries import country_named_at_end
from almoner.charities.registers.records import Lines, comma_separated

REGISTER: Final = "us-irs"
COLUMNS: Final = (
    "EIN", "NAME", "CITY", "STATE", "ZIP", "SUBSECTION", "DEDUCTIBILITY", "STATUS", "NTEE_CD",
)  # fmt: skip
_EIN: Final = re.compile(r"\d{9}", re.ASCII)
_TERRITORIES: Final = frozenset({"AS", "FM", "GU", "MH", "MP", "PR", "PW", "VI"})
"""Postal codes in the column STATE that ISO 3166 knows as countries, by the same letters."""

_ELIGIBLE: Final = (
    ("SUBSECTION", "03", "not_501c3"),
    ("DEDUCTIBILITY", "1", "not_deductible"),
    ("STATUS", "01", "not_in_force"),
)
"""Column, value that a charity one can give to has, and the reason when it has another."""


def is_header(fields: list[str]) -> bool:
    """Whether a first row is the header of this file."""
    return set(COLUMNS) <= {field.strip().upper() for field in fields}


def read(header: list[str], lines: Lines) -> Iterator[Row]:
    """The rows after the header. Raises NotThisFormat when a column is missing."""
    names = [field.strip().upper() for field in header]
    if not is_header(header):
        raise NotThisFormat("This is not the IRS file: it lacks " + ", ".join(_missing(names)))
    at = {name: names.index(name) for name in COLUMNS}
    first_line = 2
    for record in comma_separated(lines, multiline=False):
        line = record.line + first_line - 1
        if isinstance(record, Bad):
            yield Bad(line, record.reason)
        elif len(record.fields) != len(names):
            yield Bad(line, f"{len(record.fields)} fields where the header has {len(names)}")
        else:
            yield _row(line, {name: record.fields[at[name]].strip() for name in COLUMNS})


def _row(line: int, field: dict[str, str]) -> Row:
    ein = field["EIN"]
    if not _EIN.fullmatch(ein):
        return Bad(line, f"EIN {ein[:20]!r} is not nine digits")
    for column, wanted, reason in _ELIGIBLE:
        if field[column] != wanted:
            return Skipped(line, reason, REGISTER, ein)
    name = readable(field["NAME"])
    if not name:
        return Bad(line, f"EIN {ein} has no name")
    country = _country(field)
    if country is None:
        return Bad(line, f"EIN {ein} has no state, and {field['CITY'][:60]!r} ends in no country")
    return Listed(
        line=line,
        register=REGISTER,
        register_id=ein,
        name=shortened(name, NAME_LENGTH_MAX) or "",
        category=from_ntee(field["NTEE_CD"]),
        country=country,
        place=_place(field),
    )


def _country(field: dict[str, str]) -> str | None:
    """Foreign rows have no STATE and their country at the end of CITY."""
    state = field["STATE"].upper()
    if not state:
        return country_named_at_end(field["CITY"])
    return state if state in _TERRITORIES else "US"


def _place(field: dict[str, str]) -> str | None:
    """Town and state: what tells hundreds of chapters of one name apart without naming anybody."""
    if not field["STATE"]:
        return None
    town = plain_text(field["CITY"])
    return shortened(f"{readable(town)}, {field['STATE'].upper()}" if town else "", 100)


def _missing(names: list[str]) -> list[str]:
    return [column for column in COLUMNS if column not in names]
