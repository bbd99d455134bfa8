"""Charities over HTTP."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis.asyncio

from almoner.charities.answers import CatalogueReader
from almoner.charities.cursors import Cursors, Position
from almoner.charities.schemas import Filters
from almoner.charities.seed_demo import seed_demo
from almoner.charities.shared_copies import catalogue_changed
from almoner.migrations.run import upgrade
from almoner.platform.cache import open_cache
from almoner.platform.db import Database
from almoner.platform.embedded.servers import servers
from almoner.platform.settings import Servers, Settings
from charities.conftest import SECRET_KEY, make_client, make_reader


async def get(client: httpx.AsyncClient, path: str, **headers: str) -> httpx.Response:
    return await client.get(path, headers=headers)


async def test_the_list_is_as_agreed(client: httpx.AsyncClient, database: Database) -> None:
    """Every member of an item, the page's cursor, the headers."""
    await seed_demo(database)

    answer = await get(client, "/charities?limit=2")

    assert answer.status_code == 200
    page = answer.json()
    item = page["items"][0]
    assert item.pop("description").startswith("Helps people")
    assert item == {
        "charity_id": 101,
        "slug": "american-red-cross",
        "name": "American Red Cross",
        "category": "disaster",
        "country": "US",
        "place": "Washington, DC",
        "website": "https://www.redcross.org",
        "register": {"name": "us-irs", "id": "530196605"},
        "picture": "/pictures/american-red-cross.svg",
        "currencies": ["USD", "EUR", "CNY"],
        "status": "active",
    }
    assert set(page) == {"items", "next"}
    assert answer.headers["cache-control"] == (
        "public, max-age=30, stale-while-revalidate=300, stale-if-error=86400"
    )
    assert answer.headers["content-type"] == "application/json"


async def test_the_cursor_leads_through_the_whole_list(
    client: httpx.AsyncClient, database: Database
) -> None:
    """To its end, where it is null."""
    await seed_demo(database)
    ids: list[int] = []
    cursor = ""

    while cursor is not None:
        page = (await get(client, f"/charities?limit=10&cursor={cursor}")).json()
        ids += [item["charity_id"] for item in page["items"]]
        cursor = page["next"]

    assert ids == list(range(101, 143))


async def test_chinese_readers_get_chinese(client: httpx.AsyncClient, database: Database) -> None:
    """And the English name where there is no Chinese one."""
    await seed_demo(database)

    items = (await get(client, "/charities?lang=zh-CN&limit=100")).json()["items"]

    by_slug = {item["slug"]: item for item in items}
    assert by_slug["unicef-usa"]["name"] == "联合国儿童基金会美国委员会"
    assert by_slug["goonj"]["name"] == "Goonj"
    assert all("\u4e00" <= item["description"][0] <= "\u9fff" or item for item in items)


async def test_a_second_look_costs_nothing(client: httpx.AsyncClient, database: Database) -> None:
    """304 by ETag, from memory and through the framework alike."""
    await seed_demo(database)
    for path in ("/charities", "/charities/101", "/pictures/american-red-cross.svg"):
        first = await get(client, path)
        etag = first.headers["etag"]

        for tag in (etag, f"W/{etag}", f'"x", {etag}', "*"):
            again = await get(client, path, **{"If-None-Match": tag})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == etag
        assert (await get(client, path, **{"If-None-Match": '"other"'})).status_code == 200


async def test_bytes_from_memory_are_the_bytes_of_the_framework(database: Database) -> None:
    """The short way decides nothing."""
    await seed_demo(database)
    reader = make_reader(database)
    async with make_client(reader, database) as client:
        slow = await get(client, "/charities?q=red")
        assert reader.ready_page(b"q=red") is not None
        fast = await get(client, "/charities?q=red")

    assert slow.content == fast.content
    assert {**slow.headers, "x-content-type-options": "nosniff"} == dict(fast.headers)
    await reader.close()


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("limit=0", ["limit"]),
        ("limit=101", ["limit"]),
        ("limit=x", ["limit"]),
        ("limit=-1", ["limit"]),
        ("limit=%D9%A3", ["limit"]),
        ("category=cats", ["category"]),
        ("country=USA", ["country"]),
        ("lang=fr", ["lang"]),
        ("q=" + "x" * 101, ["q"]),
        ("category=cats&country=1&limit=999&lang=xx", ["category", "country", "lang", "limit"]),
        ("cursor=abc", ["cursor"]),
        ("cursor=%00", ["cursor"]),
        ("cursor=%E4%B8%96", ["cursor"]),
    ],
)
async def test_a_bad_parameter_is_named(
    client: httpx.AsyncClient, query: str, fields: list[str]
) -> None:
    """422, every one at once, as a problem."""
    answer = await get(client, f"/charities?{query}")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "invalid"
    assert sorted(error["field"] for error in problem["errors"]) == fields


async def test_a_cursor_cannot_be_made_up_or_used_elsewhere(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Changed anywhere, signed with another key, or taken to another search: 422."""
    await seed_demo(database)
    cursor = (await get(client, "/charities?limit=5")).json()["next"]
    position = Position(0, 105, "00005 x")
    tampered = [cursor[:i] + ("A" if cursor[i] != "A" else "B") + cursor[i + 1 :]
                for i in range(0, len(cursor), 7)]  # fmt: skip
    others = [Cursors("another key " * 4).write(Filters(), position), cursor + "x", ".", "a.b"]

    for wrong in [*tampered, *others]:
        answer = await get(client, f"/charities?cursor={wrong}")
        assert answer.status_code == 422, wrong
        assert answer.json()["errors"][0]["code"] == "broken_cursor"
    assert (await get(client, f"/charities?q=red&cursor={cursor}")).status_code == 422
    assert (await get(client, f"/charities?limit=9&lang=zh-CN&cursor={cursor}")).status_code == 200
    own = Cursors(SECRET_KEY).write(Filters(), position)
    assert (await get(client, f"/charities?cursor={own}")).status_code == 200


async def test_one_charity_by_number_and_by_slug(
    client: httpx.AsyncClient, database: Database
) -> None:
    """The same answer; 404 for what is not there."""
    await seed_demo(database)

    by_number = await get(client, "/charities/102")
    by_slug = await get(client, "/charities/unicef-usa")

    assert by_number.json() == by_slug.json()
    assert by_number.json()["slug"] == "unicef-usa"
    for missing in ("99", "no-such", "9" * 40, "x" * 500, "-1", "%00", "1e5"):
        answer = await get(client, f"/charities/{missing}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), missing
    assert (await get(client, "/charities/102?lang=xx")).status_code == 422


async def test_pictures_are_svg_without_anything_foreign(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Kept long by caches, unable to load or run anything."""
    await seed_demo(database)

    answer = await get(client, "/pictures/oxfam-gb.svg")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.headers["cache-control"] == "public, max-age=604800"
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    for missing in ("nobody.svg", "oxfam-gb.png", "oxfam-gb", ".svg", "%00.svg", "A.svg"):
        assert (await get(client, f"/pictures/{missing}")).status_code == 404


async def test_all_processes_share_copies_until_something_is_published(
    database: Database, cache: redis.asyncio.Redis
) -> None:
    """A second process takes the first one's answer; a publication ends that at once."""
    await seed_demo(database)
    first = await make_reader(database, cache).item("101", "en")
    await _rename(database, "Another name")

    assert (await make_reader(database, cache).item("101", "en")).body == first.body

    assert await catalogue_changed(cache)
    changed = await make_reader(database, cache).item("101", "en")
    assert b"Another name" in changed.body
    assert not changed.stale


async def test_without_valkey_everything_works(database: Database, tmp_path: Path) -> None:
    """Slower, and nothing else."""
    await seed_demo(database)
    cache = open_cache(f"unix://{tmp_path}/nobody.sock")
    reader = make_reader(database, cache)

    assert b"American Red Cross" in (await reader.page(b"")).body
    assert b"American Red Cross" in (await reader.item("101", "en")).body
    assert not await catalogue_changed(cache)
    await cache.aclose()


async def test_while_the_database_is_away_the_last_known_copy_is_served(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From memory, from Valkey in a new process, marked; 503 when nothing is known."""
    cache = open_cache(redis_url)
    with servers(Settings(servers=Servers(data_dir=str(tmp_path)))) as running:
        await asyncio.to_thread(upgrade, running.servers.database_url)
        database = Database(running.servers.database_url, size=2, wait_ms=400)
        await database.open()
        await seed_demo(database)
        reader = make_reader(database, cache)
        fresh = (await reader.page(b"limit=3")).body
        await reader.item("101", "en")
        await _rename(database, "Another name")

    await catalogue_changed(cache)
    _age(reader, monkeypatch)
    for process in (reader, make_reader(database, cache)):
        async with make_client(process, database) as client:
            answer = await get(client, "/charities?limit=3")
            assert answer.status_code == 200
            assert answer.json().pop("stale") is True
            assert answer.content[:-14] == fresh[:-1]
            assert answer.headers["warning"].startswith("110")
            assert "stale-if-error" not in answer.headers["cache-control"]
            assert (await get(client, "/charities/101")).json()["stale"] is True

            unknown = await get(client, "/charities?limit=4")
            assert (unknown.status_code, unknown.json()["code"]) == (503, "unavailable")
            assert int(unknown.headers["retry-after"]) > 0
            assert (await get(client, "/charities/102")).status_code == 503
            drawn = await get(client, "/pictures/unicef-usa.svg")
            assert (drawn.status_code, drawn.headers["cache-control"]) == (200, "no-store")
        await process.close()
    await database.close()
    await cache.aclose()


async def test_a_ready_answer_takes_microseconds(database: Database) -> None:
    """The short way, measured without a socket."""
    await seed_demo(database)
    reader = make_reader(database)
    client = make_client(reader, database)
    await get(client, "/charities")
    hot: Any = client._transport.app  # type: ignore[attr-defined]
    scope = {"type": "http", "path": "/charities", "method": "GET", "query_string": b"",
             "headers": [(b"accept", b"*/*")]}  # fmt: skip
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    started = time.perf_counter()
    for _ in range(2_000):
        await hot(scope, None, send)

    assert time.perf_counter() - started < 0.4
    assert len(sent) == 4_000
    await client.aclose()
    await reader.close()


def _age(reader: CatalogueReader, monkeypatch: pytest.MonkeyPatch) -> None:
    for known in (reader._pages, reader._items):
        for entry in known._entries.values():
            monkeypatch.setattr(entry, "fresh_until", 0.0)


async def _rename(database: Database, name: str) -> None:
    async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as connection:
        await connection.execute("UPDATE charity SET name = %s WHERE charity_id = 101", [name])
