"""Search every column of every table for what looks like a card number.

It shares no code with what keeps card numbers out, and reads the tables themselves, whoever wrote
them. What is encrypted or encoded (base64, hex) is not seen by this; tests look for that with
numbers they know.
"""

from __future__ import annotations

import re
from typing import Any, Final

from almoner.operations.view import View

_LOOKS_LIKE: Final = (
    "(?<![0-9])("
    "[2-6][0-9]{12,18}"
    "|[2-6][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{1,7}"
    "|3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4,5}"
    ")(?![0-9])"
)
"""Digits as cards have them, whatever letters or signs they stand behind. PostgreSQL and Python
read it alike."""

_ID: Final = (
    "(?<![0-9a-fA-F])([0-9a-fA-F]{32}|[0-9a-fA-F]{64}"
    "|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})(?![0-9a-fA-F])"
)
"""Ids and hashes in hexadecimal, which are taken out first: digits in a row are chance there."""

_DIGITS_HERE: Final = re.compile(_LOOKS_LIKE)
_ID_HERE: Final = re.compile(_ID)
_ISSUERS: Final = re.compile(r"4|5[1-5]|2[2-7]|3[04-9]|6")
"""First digits that card schemes use."""
ROWS_MAX: Final = 1_000
"""Of each table. Whoever finds so many has found the place."""

_COLUMNS: Final = """
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS source,
           c.relname AS table_name,
           array_agg(a.attname::text ORDER BY a.attnum) AS names,
           array_agg(CASE
               WHEN t.typname = 'bytea' THEN 'regexp_replace(encode(' || quote_ident(a.attname)
                   || ', ''escape''), ''\\\\[0-7]{3}'', '' '', ''g'')'
               ELSE quote_ident(a.attname) || '::text' END ORDER BY a.attnum) AS texts
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND n.nspname NOT LIKE 'pg\\_t%%'
      AND (t.typcategory IN ('S', 'A', 'N') OR t.typname IN ('bytea', 'json', 'jsonb', 'xml')
           OR t.typtype = 'c')
    GROUP BY n.nspname, c.relname, c.oid
    ORDER BY n.nspname, c.relname
"""


async def find_card_numbers(view: View) -> list[str]:
    """Where card numbers stand: table, column and place, never the number. Raises DatabaseAway."""
    found: list[str] = []
    for table in await view.database.fetch_all(_COLUMNS):
        for row in await view.database.fetch_all(_search(table)):
            found += [
                f"{table['table_name']}.{name} at {row['at']}"
                for name, text in zip(table["names"], row["texts"], strict=True)
                if text and holds_card_number(text)
            ]
    return found


def _search(table: dict[str, Any]) -> str:
    texts = ", ".join(table["texts"])
    together = f"concat_ws(E'\\n', {texts})"
    return (
        f"SELECT ctid::text AS at, ARRAY[{texts}] AS texts FROM ONLY {table['source']} "
        f"WHERE {together} ~ '{_LOOKS_LIKE}' "
        f"AND regexp_replace({together}, '{_ID}', ' ', 'g') ~ '{_LOOKS_LIKE}' LIMIT {ROWS_MAX}"
    )


def holds_card_number(text: str) -> bool:
    """Whether a text holds a number that a card could have: length, issuer and check digit."""
    without_ids = _ID_HERE.sub(" ", text)
    return any(_is_card_number(match[0]) for match in _DIGITS_HERE.finditer(without_ids))


def _is_card_number(text: str) -> bool:
    digits = re.sub("[ -]", "", text)
    return (
        13 <= len(digits) <= 19 and _ISSUERS.match(digits) is not None and _check_digit_fits(digits)
    )


def _check_digit_fits(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
