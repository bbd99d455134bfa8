"""Moments that are rare, and must not be told wrongly for that."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import pytest

from almoner.donations import known
from almoner.payments.gateway import Charge, Observation
from almoner.payments.latest import latest
from almoner.platform.db import Connection
from support.donor import Donor
from support.installation import Installation, Installations, NewDatabase
from support.proxy import Wire
from support.tamper import tamper

DECLINED = "fake-processor-declined-visa-nonce"


async def test_one_key_at_once_for_a_gift_that_looks_like_a_second(
    almoner: Installation, donor: Donor
) -> None:
    """Of five requests with one new key one is asked, the others are told to wait for it; giving
    goes on."""
    await donor.gives(email="again@example.com")
    key = str(uuid4())

    asked = await asyncio.gather(
        *(donor.gives(key=key, email="again@example.com") for _ in range(5))
    )
    sure = await donor.gives(key=key, email="again@example.com", confirm_duplicate=True)

    assert {a.status_code for a in asked} == {409}
    codes = [a.json()["code"] for a in asked]
    assert codes.count("possible_duplicate") >= 1
    assert set(codes) <= {"possible_duplicate", "in_flight"}
    assert sure.status_code == 201
    assert len(await almoner.charged()) == 2


async def test_a_stamp_nobody_knows_of_is_told_as_not_charged_in_the_end(
    almoner: Installation, donor: Donor
) -> None:
    """A process died after a commit whose answer it never saw: nothing was sent, two late misses
    prove it, and the same key then says so."""
    key = str(uuid4())
    await donor.gives(key=key, email="unsent@example.com")
    tamper(almoner.settings.sandbox_url, "DELETE FROM sandbox_charge")
    tamper(
        almoner.settings.servers.database_url,
        "UPDATE payment_attempt SET state = 'DISPATCHED', version = 1, observed_at = NULL, "
        "gateway_transaction_id = NULL",
        "DELETE FROM ledger_entry",
        "DELETE FROM event",
        "DELETE FROM gateway_operation",
        "UPDATE idempotency_record SET response_status = NULL, response_body = NULL",
    )

    waiting = await donor.gives(key=key, email="unsent@example.com")
    await almoner.resolve_now(age_s=130)
    await almoner.resolve_now(age_s=800)
    told = await donor.gives(key=key, email="unsent@example.com")

    assert (waiting.status_code, waiting.json()["code"]) == (409, "in_flight")
    assert (told.status_code, told.json()["code"]) == (402, "not_charged")


async def test_an_adapter_that_raises_leaves_a_doubt(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in our own adapter proves nothing about the charge: 202, and the look-up settles."""
    gateway = almoner.web._charger

    async def charge_then_fail(self: object, charge: Charge) -> Observation:
        await original(charge)
        raise RuntimeError("a fault of ours")

    original = gateway.charge  # type: ignore[attr-defined]
    monkeypatch.setattr(type(gateway), "charge", charge_then_fail)
    answer = await donor.gives()
    monkeypatch.undo()

    assert answer.status_code == 202
    await almoner.resolve_now()
    assert (await donor.sees(answer))["status"] == "success"


async def test_a_look_up_that_fails_does_not_stop_the_others(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad record never stops the rest."""
    answers = [await donor.gives(payment_method_nonce="fake-lost-answer-nonce") for _ in range(3)]
    gateway = almoner.work.gateway
    original, calls = gateway.look_up, []

    async def look_up(order_id: str) -> Observation | None:
        calls.append(order_id)
        if len(calls) == 1:
            raise RuntimeError("a bad record")
        return await original(order_id)

    monkeypatch.setattr(gateway, "look_up", look_up)
    await almoner.resolve_now()

    statuses = [(await donor.sees(a))["status"] for a in answers]
    assert sorted(statuses) == ["processing", "success", "success"]


@pytest.fixture
async def wires(new_database: NewDatabase) -> AsyncIterator[tuple[Wire, Wire]]:
    """The main database and the sandbox's, each behind a wire."""
    async with Wire(new_database()) as main, Wire(new_database(empty=True)) as sandbox:
        yield main, sandbox


async def test_everything_starts_while_the_database_is_away(
    wires: tuple[Wire, Wire], installation: Installations
) -> None:
    """Web and worker come up without it and wait; when it is there they work."""
    main, sandbox = wires
    for wire in wires:
        wire.cut()
    starting = asyncio.create_task(
        installation(database_url=main.url, sandbox_database_url=sandbox.url, database_wait_ms=300)
    )
    await asyncio.sleep(1.5)
    for wire in wires:
        wire.mend()

    almoner = await starting

    assert (await Donor(almoner).gives()).status_code == 201


async def test_readiness_tells_of_a_cache_that_is_away(installation: Installations) -> None:
    """It makes Almoner slower, not unready."""
    almoner = await installation(redis_url="redis://127.0.0.1:1")

    answer = await almoner.client.get("/readyz")

    assert (answer.status_code, answer.json()["cache"]) == (200, "away")


@pytest.mark.parametrize(
    "name",
    [
        'O"Brien',
        "back\\slash",
        "{curly}, {braces}",
        "NULL",
        "null",
        "'; DROP TABLE donation; --",
        "名字，很长",
        "a,b,c",
        "a\\",
        'a"',
        "%s %(x)s",
    ],
)
async def test_any_text_arrives_as_it_was_written(
    almoner: Installation, donor: Donor, name: str
) -> None:
    """Names travel to the database in array literals, whatever they hold."""
    answer = await donor.gives(first_name=name, last_name=name)

    assert answer.status_code == 201
    row = await almoner.database.fetch_one("SELECT first_name, last_name FROM donation")
    assert row == {"first_name": name, "last_name": name}


async def test_an_answer_that_is_stored_between_two_looks_is_the_answer(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry reads the key unanswered, then the attempt as unsent: the one that settled it did so
    in between. No second attempt follows a "not charged"."""
    key, database_url = str(uuid4()), almoner.settings.servers.database_url
    told = await donor.gives(key=key, email="between@example.com", payment_method_nonce=DECLINED)
    tamper(
        database_url,
        "UPDATE payment_attempt SET state = 'NOT_SENT'",
        "CREATE TABLE answered AS SELECT * FROM idempotency_record",
        "UPDATE idempotency_record SET response_status = NULL, response_body = NULL",
    )
    looks = itertools.count(1)

    async def settled_by_now(connection: Connection, payables: Any) -> Any:
        if next(looks) < 2:  # the first look only tells that another attempt may be needed
            return await latest(connection, payables)
        tamper(
            database_url,
            "UPDATE idempotency_record AS r SET response_status = a.response_status, "
            "response_body = a.response_body FROM answered AS a",
        )
        return await latest(connection, payables)

    monkeypatch.setattr(known, "latest", settled_by_now)
    again = await donor.gives(key=key, email="between@example.com", payment_method_nonce=DECLINED)
    attempts = await almoner.value("SELECT count(*) FROM payment_attempt")
    tamper(database_url, "UPDATE payment_attempt SET state = 'DECLINED'")

    assert (again.status_code, again.content) == (told.status_code, told.content) == (402, ANY)
    assert attempts == 1
