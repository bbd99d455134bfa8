"""SQL of charities; only this folder knows the tables `charity` and `charity_total`.

The SQL of importing stands with the registers. Every page is one range of one index, so its
cost does not grow with the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct
from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow

from almoner.charities.cursors import Position
from almoner.charities.errors import SearchTooBroad
from almoner.charities.schemas import Filters
from almoner.platform import arrays
from almoner.platform.db import Connection, Database, DatabaseAway, TookTooLong

SEARCH_MS_MAX: Final = 2_000
GUESS_MS_MAX: Final = 800
SIMILARITY_MIN: Final = "0.45"
"""Share of a typed word's trigrams that a name must hold. At 0.6, the default of pg_trgm, two
swapped letters in a word of six are too many ("unicfe")."""

_SHOWN: Final = """charity_id, slug, name, name_zh, category, country, place, website, register,
    register_id, currencies, picture, status, sort_key"""

_IN_LIST: Final = f"""{_SHOWN}, left(description, 400) AS description,
    left(description_zh, 400) AS description_zh"""

LIST_PAGE: Final = f"""
-- A page of the list: the ranked ones first, then by name. Leaves out closed charities.
SELECT {_IN_LIST} FROM charity
WHERE status = 'active' {{filters}} {{after}}
ORDER BY sort_key, charity_id LIMIT %(limit)s
"""

NAMED_PAGE: Final = f"""
-- A page of those whose name holds every word searched for, in the order of the list.
SELECT {_IN_LIST} FROM charity
WHERE status = 'active' AND search_words @@ to_tsquery('simple', %(in_name)s) {{filters}} {{after}}
ORDER BY sort_key, charity_id LIMIT %(limit)s
"""

TOLD_PAGE: Final = f"""
-- A page of those whose name or description holds every word. Leaves out those found by name.
SELECT {_IN_LIST} FROM charity
WHERE status = 'active' AND search_words @@ to_tsquery('simple', %(anywhere)s)
  AND NOT search_words @@ to_tsquery('simple', %(in_name)s) {{filters}} {{after}}
ORDER BY sort_key, charity_id LIMIT %(limit)s
"""

ALIKE_PAGE: Final = f"""
-- A page of those whose name is like what was typed, the most alike first. Leaves out those that
-- hold every word, which have been shown before.
SELECT * FROM (
    SELECT {_IN_LIST},
           (word_similarity(%(folded)s, search_name) * 10000)::int AS score
    FROM charity
    WHERE status = 'active' AND %(folded)s <%% search_name
      AND NOT search_words @@ to_tsquery('simple', %(anywhere)s) {{filters}}
) alike
WHERE true {{after}}
ORDER BY score DESC, charity_id LIMIT %(limit)s
"""

ONE: Final = f"""
-- One charity by number or by slug, closed or not.
SELECT {_SHOWN}, description, description_zh FROM charity
WHERE charity_id = %(charity_id)s OR slug = %(slug)s LIMIT 1
"""

CHOSEN: Final = """
-- What the give path must know of a charity.
SELECT charity_id, slug, name, name_zh, status, currencies, merchant_account
FROM charity WHERE charity_id = %(charity_id)s
"""

CATEGORY: Final = """
-- The category of a slug, for its picture.
SELECT category FROM charity WHERE slug = %(slug)s
"""

ANY: Final = """
-- Whether there is any charity at all.
SELECT EXISTS (SELECT FROM charity) AS any_there
"""

SAVE_DEMO: Final = """
-- Adds a demo charity or renews its texts. Leaves alone one that a register brought in first, and
-- whether it is open, which is not for a text file to say.
MERGE INTO charity AS kept USING (VALUES (
    %(charity_id)s::bigint, %(slug)s::text, %(name)s::text, %(name_zh)s::text,
    %(description)s::text, %(description_zh)s::text, %(category)s::text, %(country)s::char(2),
    %(place)s::text, %(website)s::text, %(register)s::text, %(register_id)s::text,
    %(list_rank)s::smallint
)) AS demo (charity_id, slug, name, name_zh, description, description_zh, category, country,
            place, website, register, register_id, list_rank)
ON kept.charity_id = demo.charity_id OR kept.slug = demo.slug
   OR (kept.register, kept.register_id) = (demo.register, demo.register_id)
WHEN MATCHED AND kept.source = 'demo' AND kept.charity_id = demo.charity_id THEN UPDATE SET
    slug = demo.slug, name = demo.name, name_zh = demo.name_zh, description = demo.description,
    description_zh = demo.description_zh, category = demo.category, country = demo.country,
    place = demo.place, website = demo.website, register = demo.register,
    register_id = demo.register_id, list_rank = demo.list_rank, updated_at = now()
WHEN NOT MATCHED THEN INSERT (charity_id, slug, name, name_zh, description, description_zh,
    category, country, place, website, register, register_id, list_rank, source)
VALUES (demo.charity_id, demo.slug, demo.name, demo.name_zh, demo.description,
    demo.description_zh, demo.category, demo.country, demo.place, demo.website, demo.register,
    demo.register_id, demo.list_rank, 'demo')
"""

_DEMO_LOCK: Final = 0x63686172_00000002

_AFTER_NAME: Final = "AND (sort_key, charity_id) > (%(sort_key)s, %(charity_id)s)"
_AFTER_SCORE: Final = (
    "AND (score < %(score)s OR (score = %(score)s AND charity_id > %(charity_id)s))"
)


async def list_page(
    database: Database, filters: Filters, after: Position | None, limit: int
) -> list[DictRow]:
    """Up to `limit` rows of the list after a position."""
    sql, values = _page(LIST_PAGE, filters, after, limit, _AFTER_NAME)
    return await database.fetch_all(sql, values)


async def named_page(
    database: Database, words: Mapping[str, str], filters: Filters, after: Position | None,
    limit: int,
) -> list[DictRow]:  # fmt: skip
    """Up to `limit` rows by words of the name. Raises SearchTooBroad."""
    sql, values = _page(NAMED_PAGE, filters, after, limit, _AFTER_NAME)
    return await _bounded(database, sql, {**values, **words}, SEARCH_MS_MAX)


async def told_page(
    database: Database, words: Mapping[str, str], filters: Filters, after: Position | None,
    limit: int,
) -> list[DictRow]:  # fmt: skip
    """Up to `limit` rows by words of name or description. Raises SearchTooBroad."""
    sql, values = _page(TOLD_PAGE, filters, after, limit, _AFTER_NAME)
    return await _bounded(database, sql, {**values, **words}, SEARCH_MS_MAX)


async def alike_page(
    database: Database, words: Mapping[str, str], filters: Filters, after: Position | None,
    limit: int,
) -> list[DictRow]:  # fmt: skip
    """Up to `limit` rows by likeness. Raises SearchTooBroad."""
    sql, values = _page(ALIKE_PAGE, filters, after, limit, _AFTER_SCORE)
    return await _bounded(database, sql, {**values, **words}, GUESS_MS_MAX)


async def find(database: Database, charity_id: int | None, slug: str | None) -> DictRow | None:
    """One charity with its whole description, or None."""
    return await database.fetch_one(ONE, {"charity_id": charity_id, "slug": slug})


async def find_chosen(database: Database, charity_id: int) -> DictRow | None:
    """What the give path needs, or None."""
    return await database.fetch_one(CHOSEN, {"charity_id": charity_id})


async def find_category(database: Database, slug: str) -> str | None:
    """The category of a slug, or None."""
    row = await database.fetch_one(CATEGORY, {"slug": slug})
    return None if row is None else str(row["category"])


async def save_demo(
    database: Database, rows: Sequence[Mapping[str, Any]], *, if_empty: bool
) -> int:
    """Write the demo charities in one transaction; gives how many were written."""
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_DEMO_LOCK])
        found = await (await connection.execute(ANY)).fetchone()
        if if_empty and found is not None and found["any_there"]:
            return 0
        written = 0
        for row in rows:
            with suppress(UniqueViolation):  # a register brought the same charity in first
                async with connection.transaction():
                    written += (await connection.execute(SAVE_DEMO, row)).rowcount
        return written


def _page(
    template: str, filters: Filters, after: Position | None, limit: int, condition: str
) -> tuple[str, dict[str, Any]]:
    conditions = ""
    if filters.category:
        conditions += "AND category = %(category)s "
    if filters.country:
        conditions += "AND country = %(country)s "
    values: dict[str, Any] = {
        "category": filters.category, "country": filters.country, "limit": limit,
    }  # fmt: skip
    if after is not None:
        values |= {
            "sort_key": after.sort_key,
            "charity_id": after.charity_id, "score": after.score,
        }  # fmt: skip
    sql = template.format(filters=conditions, after="" if after is None else condition)
    return sql, values


async def _bounded(
    database: Database, sql: str, values: dict[str, Any], time_ms: int
) -> list[DictRow]:
    """Rows of a search that must not hold a connection for long; asked again once if it broke."""
    try:
        try:
            return await _timed(database, sql, values, time_ms)
        except DatabaseAway:
            return await _timed(database, sql, values, time_ms)
    except TookTooLong:
        raise SearchTooBroad from None


async def _timed(
    database: Database, sql: Any, values: dict[str, Any], time_ms: int
) -> list[DictRow]:
    async with database.transaction() as connection:
        await connection.execute(
            "SELECT set_config('statement_timeout', %s, true), "
            "set_config('pg_trgm.word_similarity_threshold', %s, true)",
            [str(time_ms), SIMILARITY_MIN],
        )
        cursor = await connection.execute(sql, values)
        return await cursor.fetchall()


class TotalChange(Struct, frozen=True):
    """By how much a charity's total in a currency grows; negative where money went back."""

    charity_id: int
    currency: str
    raised_minor: int
    gifts: int


async def add_to_totals(connection: Connection, changes: Sequence[TotalChange]) -> None:
    """Add to the totals. In ascending order, so that no two transactions wait in a circle."""
    await connection.execute(
        """
        INSERT INTO charity_total AS t (charity_id, currency, raised_minor, gifts)
        SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[])
               AS new (charity_id, currency, raised_minor, gifts)
        ORDER BY charity_id, currency
        ON CONFLICT (charity_id, currency) DO UPDATE
        SET raised_minor = t.raised_minor + excluded.raised_minor, gifts = t.gifts + excluded.gifts
        """,
        (
            arrays.integers(c.charity_id for c in changes),
            arrays.texts(c.currency for c in changes),
            arrays.integers(c.raised_minor for c in changes),
            arrays.integers(c.gifts for c in changes),
        ),
    )
