"""Listing and searching: pages, filters, typing errors."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from almoner.charities import queries
from almoner.charities.cursors import Position
from almoner.charities.errors import SearchTooBroad
from almoner.charities.list import list_charities
from almoner.charities.schemas import Filters
from almoner.charities.search import search_charities
from almoner.charities.seed_demo import seed_demo
from almoner.platform.db import Database


async def found(database: Database, q: str, **filters: str) -> list[str]:
    rows, _ = await search_charities(database, Filters(q=q, **filters), None, 24)
    return [row["slug"] for row in rows]


async def walk(database: Database, filters: Filters, limit: int) -> list[int]:
    """All ids, page by page."""
    verb = search_charities if filters.q else list_charities
    ids: list[int] = []
    after: Position | None = None
    while True:
        rows, after = await verb(database, filters, after, limit)
        ids += [row["charity_id"] for row in rows]
        if after is None:
            return ids


async def fill(database: Database, count: int, name: str = "'Trust ' || n") -> None:
    """Make charities by SQL."""
    sql = f"""INSERT INTO charity (slug, name, category, country, source)
              SELECT 'made-' || n || '-' || (random() * 1e9)::int, {name},
                     (ARRAY['health', 'arts', 'faith'])[1 + n % 3],
                     CASE n % 2 WHEN 0 THEN 'US' ELSE 'GB' END, 'test'
              FROM generate_series(1, {count}) AS n"""
    async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as connection:
        await connection.execute(sql)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("unicef", "unicef-usa"),
        ("unicfe", "unicef-usa"),
        ("UNICEF usa", "unicef-usa"),
        ("red cros", "american-red-cross"),
        ("amercan red cross", "american-red-cross"),
        ("oxfm", "oxfam-gb"),
        ("habitat humnity", "habitat-for-humanity"),
        ("medecins sans frontieres", "medecins-sans-frontieres"),
        ("Médecins", "medecins-sans-frontieres"),
        ("世界自然基金会", "wwf-international"),
        ("世界自燃基金会", "wwf-international"),
        ("自然基金", "wwf-international"),
        ("无国界", "medecins-sans-frontieres"),
        ("希望工程", "china-youth-development-foundation"),
        ("st jude childrens", "st-jude-childrens-research-hospital"),
        ("cataract", "fred-hollows-foundation"),
    ],
)
async def test_words_and_typing_errors_find(database: Database, typed: str, first: str) -> None:
    """In English and Chinese, with and without accents, in names and descriptions."""
    await seed_demo(database)

    slugs = await found(database, typed)

    assert slugs[0] == first


async def test_names_come_before_descriptions_and_guesses_last(database: Database) -> None:
    """The order of what is found."""
    await seed_demo(database)

    slugs = await found(database, "water")

    names = ("Water Aid", "Something else")
    async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as connection:
        for name in names:
            await connection.execute(
                "INSERT INTO charity (slug, name, category, country, source) "
                "VALUES (%s, %s, 'other', 'US', 'test')",
                [name.lower().replace(" ", "-"), name],
            )
    assert "unicef-usa" in slugs
    assert (await found(database, "water"))[0] == "water-aid"


@pytest.mark.parametrize("q", ["zzzzqqq", "'; DROP TABLE charity; --", "a & b | !c:*", "\\", "%_%"])
async def test_odd_input_is_only_text(database: Database, q: str) -> None:
    """Whatever is typed, nothing breaks."""
    await seed_demo(database)

    await found(database, q)

    assert len(await walk(database, Filters(), 50)) == 42


async def test_filters_narrow_list_and_search(database: Database) -> None:
    """By category, by country, by both."""
    await seed_demo(database)

    rows, _ = await list_charities(database, Filters(category="animals", country="US"), None, 24)
    assert [row["slug"] for row in rows] == ["defenders-of-wildlife"]
    assert await found(database, "red cross", country="JP") == ["japanese-red-cross-society"]
    assert "oxfam-gb" not in await found(database, "oxfam", category="health")


async def test_closed_charities_are_not_listed(database: Database) -> None:
    """Nor found."""
    await seed_demo(database)
    async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as connection:
        await connection.execute(
            "UPDATE charity SET status = 'closed', closed_by = 'staff' WHERE charity_id = 102"
        )

    assert "unicef-usa" not in await found(database, "unicef")
    assert 102 not in await walk(database, Filters(), 10)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(country="US"),
        Filters(category="health"),
        Filters(category="health", country="GB"),
        Filters(q="trust"),
        Filters(q="truts"),
        Filters(q="trust", country="US"),
    ],
)
async def test_pages_follow_one_another_without_hole_or_double(
    database: Database, filters: Filters
) -> None:
    """Whatever the size of a page; equal names are told apart by number."""
    await seed_demo(database)
    await fill(database, 150, "'Trust ' || n % 3")

    at_once = await walk(database, filters, 100)

    assert len(at_once) == len(set(at_once)) > 2
    assert await walk(database, filters, 7) == at_once


async def test_what_comes_in_between_shifts_nothing(database: Database) -> None:
    """Rows inserted and closed while somebody reads: all that stay are read exactly once."""
    await fill(database, 60)
    before = set(await walk(database, Filters(), 100))
    ids: list[int] = []
    after: Position | None = None

    while True:
        rows, after = await list_charities(database, Filters(), after, 10)
        ids += [row["charity_id"] for row in rows]
        if after is None:
            break
        await fill(database, 5, "'Aaa ' || n")
        await fill(database, 5, "'Trust 3' || n")

    assert len(ids) == len(set(ids))
    assert before <= set(ids)


async def test_a_search_that_takes_too_long_says_so(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends, and guessing that ends so has simply found nothing."""
    await seed_demo(database)
    slow = "SELECT pg_sleep(5), %(folded)s::text {filters} {after}"
    monkeypatch.setattr(queries, "GUESS_MS_MAX", 50)
    monkeypatch.setattr(queries, "ALIKE_PAGE", slow)

    assert await found(database, "unicef") == ["unicef-usa"]

    monkeypatch.setattr(queries, "SEARCH_MS_MAX", 50)
    monkeypatch.setattr(queries, "NAMED_PAGE", slow)
    with pytest.raises(SearchTooBroad):
        await found(database, "unicef")


async def test_pages_come_from_indexes(database: Database) -> None:
    """On 20,000 rows no plan of a page sorts or scans the table."""
    await fill(database, 20_000)
    after = Position(0, 100_500, "32767 trust 1444")
    for filters, index in (
        (Filters(), "charity_list"),
        (Filters(country="US"), "charity_country"),
        (Filters(category="health"), "charity_category"),
        (Filters(category="health", country="US"), "charity_country_category"),
    ):
        sql, values = queries._page(queries.LIST_PAGE, filters, after, 25, queries._AFTER_NAME)
        plan = await explained(database, sql, values)

        assert f"using {index} " in plan, plan
        assert "Sort" not in plan
        assert "Seq Scan" not in plan


async def explained(database: Database, sql: str, values: dict[str, Any]) -> str:
    async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as connection:
        await connection.execute("ANALYZE charity")
        rows = await connection.execute(f"EXPLAIN {sql}", values)
        return "\n".join(row[0] for row in await rows.fetchall())
