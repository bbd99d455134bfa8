"""No card number reaches a log, a table, the cache, the journal, a metric or a file."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import redis

from almoner.platform.cache import open_cache
from almoner.platform.journal.copies import ValkeyCopies
from almoner.platform.journal.files import DiskSegments
from almoner.platform.journal.journal import Journal
from almoner.platform.journal.sealing import Sealer
from support.donor import CHARITY_ID, Donor, gift
from support.installation import SECRET_KEY, Installations, NewDatabase
from support.leaks import Search, forms_of
from support.proxy import Wire
from support.serving import Serving, serving
from support.tamper import superuser_url

PUBLISHED = ["4005519200000004", "5555555555554444", "378282246310005", "4000111111111115"]
"""Test cards that the sandbox takes or declines. 4111... stands in our own greeting."""
STRANGERS = ["4929123412341232", "6011000990139424", "3530111333300000", "2223000048400011"]
"""Numbers that could be somebody's: refused, and to be forgotten at once."""
NUMBERS = [*PUBLISHED, *STRANGERS]

SEARCHED = {
    "log", "metrics", "names", "cache", "donor", "donation", "idempotency_record",
    "payment_attempt", "gateway_operation", "ledger_entry", "event", "sandbox_charge",
}  # fmt: skip
"""Places that must have had something in them, or the search would show nothing. Tables are named
without the number of their partition."""


def spellings(number: str) -> list[str]:
    """As people type it."""
    return [form.decode() for form in forms_of(number) if form[:4].decode() == number[:4]][:3]


def bodies() -> list[dict[str, Any]]:
    """A card where it belongs, and wherever it does not."""
    found: list[dict[str, Any]] = []
    for number in NUMBERS:
        spaced = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
        for text in (number, spaced, number.replace("", "-").strip("-")):
            card = {"card_number": text, "expiration_date": "12/30", "cvv": "123"}
            found.append(gift(payment_method_nonce=None, payment_card=card))
        found += [gift(payment_method_nonce=None, payment_card=number)]
        for field in ("first_name", "last_name", "currency", "payment_method_nonce", "locale"):
            found += [gift(**{field: number}), gift(**{field: f"John {spaced}"})]
        found += [
            gift(email=f"{number}@example.com"),
            gift(charity_id=int(number)),
            gift(charity_id=number),
            gift(amount=number),
            gift(**{number: "yes"}),
            gift(form_token=number),
            gift(first_name={"card": number}),
        ]
    return found


async def give_badly(client: httpx.AsyncClient) -> list[httpx.Response]:
    """Everything a careless or hostile client may send."""
    answers = [await client.post("/donations", json=body, headers=key()) for body in bodies()]
    for number in NUMBERS:
        for raw in (f'{{"card": "{number}"', f"{number}", f'"{number}"', f"card={number}&x=1",
                    f'{{"amount": {number}1, "email": "x{number}'):  # fmt: skip
            for kind in ("application/json", "application/x-www-form-urlencoded"):
                headers = {**key(), "Content-Type": kind}
                answers.append(await client.post("/donations", content=raw, headers=headers))
        answers += await in_odd_places(client, number)
    return answers


async def in_odd_places(client: httpx.AsyncClient, number: str) -> list[httpx.Response]:
    """In keys, headers, addresses, cookies, webhooks, and between our own services."""
    headers = {
        "Idempotency-Key": f"{number}-{number}",
        "User-Agent": f"card {number}",
        "X-Request-Id": number,
        "X-Forwarded-For": number,
        "Traceparent": f"00-{number}{number}-{number}-01",
        "Cookie": f"card={number}",
        "Authorization": f"Bearer {number}",
        "Referer": f"https://example.com/?card={number}",
    }
    found = [
        await client.post("/donations", json=gift(), headers=headers),
        await client.post("/donations", json=gift(), headers={"Idempotency-Key": number}),
        await client.post("/payment/process", json={"card": number}, headers=headers),
        await client.post("/webhooks/sandbox", content=f"card={number}", headers=headers),
        await client.put(f"/donations/{uuid4()}", json={"status": number}, headers=headers),
    ]
    paths = (f"/donations/{number}", f"/charities/{number}", f"/charities?q={number}",
                 f"/charities?q=x&cursor={number}", f"/{number}", f"/?card={number}",
                 f"/charities?category={number}", f"/donation-form?card={number}")  # fmt: skip
    return found + [await client.get(path, headers=headers) for path in paths]


def key() -> dict[str, str]:
    """A fresh one."""
    return {"Idempotency-Key": str(uuid4())}


async def test_no_card_number_stays_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given in every way, with errors provoked and the log at its most talkative."""
    data_dir, temporary = tmp_path / "data", tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    settings = {"log_level": "debug", "limits": "sandbox", "sandbox_latency_ms": "1"}
    with serving(data_dir, **settings) as almoner:
        async with almoner.client() as client:
            answers = await give_badly(client)
            await provoke(almoner, client)
            metrics = (await client.get("/metrics")).content
        search = Search(NUMBERS)
        found = [
            *(hit for a in answers for hit in search.in_bytes(f"answer {a.url.path}", a.content)),
            *search.in_bytes("metrics", metrics),
            *in_servers(search, almoner),
        ]

    assert any(answer.status_code == 201 for answer in answers)
    assert any(answer.status_code == 402 for answer in answers)
    assert sum(answer.status_code == 422 for answer in answers) > 50
    found += search.in_files(data_dir) + search.in_files(temporary)
    found += search.in_bytes("log", (tmp_path / "serve.log").read_bytes())
    assert len((tmp_path / "serve.log").read_bytes()) > 1000
    assert found == []
    assert {re.sub(r"_\d$", "", place) for place in search.searched} >= SEARCHED


async def provoke(almoner: Serving, client: httpx.AsyncClient) -> None:
    """Cards on their way while the database is killed: what fails must not tell why with them."""
    (database,) = almoner.children_named("postgres")
    card = {"card_number": PUBLISHED[0], "expiration_date": "12/30", "cvv": "123"}
    body = gift(payment_method_nonce=None, payment_card=card)

    async def give() -> None:
        email = f"{uuid4().hex[:12]}@example.com"
        answer = await client.post("/donations", json={**body, "email": email}, headers=key())
        assert answer.status_code in (201, 202, 409, 503)

    giving = [asyncio.create_task(give()) for _ in range(20)]
    os.kill(database, signal.SIGKILL)
    await asyncio.gather(*giving, *(give() for _ in range(5)))
    for _ in range(100):
        ready = await client.get("/readyz")
        if ready.status_code == 200 and ready.json()["database"] == "ok":
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the database did not come back")


def in_servers(search: Search, almoner: Serving) -> list[str]:
    """Both databases and the cache, from inside."""
    running = json.loads((almoner.data_dir / "runtime.json").read_text())
    superuser = almoner.superuser_url()
    return [
        *search.in_database(superuser),
        *search.in_database(superuser.replace("/almoner?", "/almoner_sandbox?")),
        *search.in_cache(running["redis_url"]),
    ]


@pytest.fixture
async def wire(new_database: NewDatabase) -> AsyncIterator[Wire]:
    """A database behind a wire."""
    async with Wire(new_database()) as wire:
        yield wire


async def test_no_card_number_is_sealed_into_the_journal(
    wire: Wire, installation: Installations, redis_url: str, tmp_path: Path
) -> None:
    """The database is away and gifts are kept, with a second copy in Valkey. What was sealed is
    opened: on the disk nobody could see it, and it would be there all the same."""
    search, folder = Search(NUMBERS), tmp_path / "journal"
    almoner = await installation(
        database_url=wire.url, database_wait_ms=200, journal_dir=str(folder), journal_copies=2
    )
    await Donor(almoner).gives()
    wire.cut()
    told: Counter[int] = Counter()
    for body in bodies():
        if body["charity_id"] == CHARITY_ID:
            told[
                (await almoner.client.post("/donations", json=body, headers=key())).status_code
            ] += 1
    found = search.in_journal(folder, SECRET_KEY) + search.in_copies(redis_url, SECRET_KEY)
    found += search.in_cache(redis_url) + search.in_files(tmp_path)
    wire.mend()
    await almoner.until_drained()

    assert set(told) == {202, 422, 503}  # 503: a number in a text, which the journal refuses
    assert search.searched["journal"] == search.searched["copies"] == told[202] > 0
    assert found == []


async def test_a_leak_into_the_journal_is_found(tmp_path: Path, redis_url: str) -> None:
    """Sealed on the disk and in its copy, a number is found all the same."""
    cache = open_cache(redis_url)
    journal = Journal(
        DiskSegments(tmp_path), Sealer(SECRET_KEY), ValkeyCopies(cache), bytes_max=1 << 20
    )
    await journal.open()
    await journal.append(f'{{"first_name": "{NUMBERS[3]}"}}'.encode())
    search = Search(NUMBERS)

    assert search.in_files(tmp_path) == []
    assert search.in_journal(tmp_path, SECRET_KEY) != []
    assert search.in_copies(redis_url, SECRET_KEY) != []
    await journal.close()
    await cache.aclose()


@pytest.mark.parametrize("form", sorted(forms_of(NUMBERS[0])))
def test_a_leak_into_a_file_is_found_in_any_form(tmp_path: Path, form: bytes) -> None:
    """The search itself is tried: a number that is there is found."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "trace.bin").write_bytes(b"\x00\xff" + form + b"\x00")

    assert Search(NUMBERS).in_files(tmp_path) != []


def test_what_is_harmless_is_not_taken_for_a_leak(tmp_path: Path) -> None:
    """Other digits, and our own test number."""
    (tmp_path / "log").write_text("4111 1111 1111 1111 and 4005519200000005")

    assert Search(NUMBERS).in_files(tmp_path) == []


def test_a_leak_into_a_table_is_found(database_url: str) -> None:
    """As text, as bytes, deep in JSON."""
    with psycopg.connect(database_url) as connection:
        for number, place in enumerate(("%s", "convert_to(%s, 'UTF8')", "jsonb_build_object('a', "
                                        "jsonb_build_array(%s::text))")):  # fmt: skip
            connection.execute(f"CREATE TABLE leak_{number} AS SELECT {place} AS x".encode(),
                               (f"a {NUMBERS[1]} b",))  # fmt: skip
        connection.commit()

    found = Search(NUMBERS).in_database(superuser_url(database_url))

    assert {hit.partition(":")[0] for hit in found} == {"leak_0", "leak_1", "leak_2"}


def test_a_leak_into_the_cache_is_found(redis_url: str) -> None:
    """In a key, in a value, in a set."""
    with redis.Redis.from_url(redis_url) as cache:
        cache.set(f"seen:{NUMBERS[0]}", "1")
        cache.set("answer", f"card {NUMBERS[1]}")
        cache.sadd("numbers", f"x{NUMBERS[2]}")

    found = Search(NUMBERS).in_cache(redis_url)

    assert len(found) >= 3
