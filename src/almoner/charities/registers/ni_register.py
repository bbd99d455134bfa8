"""The register of Northern Ireland as its regulator publishes it.

Windows-1252, dates as `13/12/2013`, a last column without a name. Addresses, mailboxes and
telephone numbers are never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from almoner.charities.categories import from_words
from almoner.charities.names import plain_text, readable
from almoner.charities.registers import NAME_LENGTH_MAX, Bad, Listed, Row, Skipped, shortened
from almoner.charities.registers.prose import readable_prose
from almoner.charities.registers.records import Lines, comma_separated
from almoner.charities.websites import website_of

REGISTER: Final = "gb-ccni"
COLUMNS: Final = (
    "Reg charity number", "Sub charity number", "Charity name", "Status", "Website",
    "What the charity does",
)  # fmt: skip
_NUMBER: Final = re.compile(r"\d{6}", re.ASCII)


def is_header(fields: list[str]) -> bool:
    """Whether a first row is the header of this file."""
    return set(COLUMNS) <= set(fields)


def read(header: list[str], lines: Lines) -> Iterator[Row]:
    """The rows after the header."""
    at = {column: header.index(column) for column in COLUMNS}
    for record in comma_separated(lines, multiline=True):
        line = record.line + 1
        if isinstance(record, Bad):
            yield Bad(line, record.reason)
        elif len(record.fields) != len(header):
            yield Bad(line, f"{len(record.fields)} fields where the header has {len(header)}")
        else:
            yield _row(line, {column: record.fields[at[column]].strip() for column in COLUMNS})


def _row(line: int, field: dict[str, str]) -> Row:
    digits = field["Reg charity number"].removeprefix("NI")
    if not _NUMBER.fullmatch(digits):
        return Bad(line, f"{digits[:20]!r} is not a number of the register {REGISTER}")
    if field["Sub charity number"] not in {"", "0"}:
        return Skipped(line, "linked")
    if field["Status"].casefold() == "removed":
        return Skipped(line, "not_active", REGISTER, "NI" + digits)
    name = readable(field["Charity name"])
    if not name:
        return Bad(line, f"NI{digits} has no name")
    prose = readable_prose(plain_text(field["What the charity does"]))
    return Listed(
        line=line,
        register=REGISTER,
        register_id="NI" + digits,
        name=shortened(name, NAME_LENGTH_MAX) or "",
        description=shortened(prose),
        category=from_words(name, prose),
        country="GB",
        website=website_of(field["Website"]),
    )
