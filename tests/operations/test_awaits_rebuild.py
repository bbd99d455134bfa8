"""A restored database takes no new charges before the gateway was asked what it has forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from almoner.operations.backup.errors import BackupError, NotEmpty
from almoner.operations.backup.put_back import put_back
from almoner.payments.attempt import attempt_id_of
from almoner.platform.db import Database
from almoner.platform.restored import awaits_rebuild, mark_restored, rebuilt
from support.donor import Donor
from support.installation import Installation, NewDatabase
from support.lost import lose_everything, rebuild
from support.tamper import tamper


@pytest.fixture
async def restored(almoner: Installation) -> AsyncIterator[Installation]:
    """One whose database is marked; the mark is gone afterwards."""
    await mark_restored(almoner.database)
    yield almoner
    await rebuilt(almoner.database)


async def until_taken(donor: Donor, key: str, **fields: str) -> httpx.Response:
    """Give until it is known that the database takes gifts again."""
    async with asyncio.timeout(10):
        while True:
            told = await donor.gives(key=key, **fields)
            if told.status_code != 503:
                return told
            await asyncio.sleep(0.1)


async def test_no_gift_is_charged_before_the_rebuild(restored: Installation, donor: Donor) -> None:
    """503 without a journal, not ready, nothing charged; afterwards the same request goes."""
    key = str(uuid4())

    refused = await donor.gives(key=key, email="early@example.com")
    ready = await restored.client.get("/readyz")
    before = await restored.charged()
    await rebuilt(restored.database)
    taken = await until_taken(donor, key, email="early@example.com")
    now = await restored.client.get("/readyz")

    assert (refused.status_code, ready.status_code, len(before)) == (503, 503, 0)
    assert ready.json()["type"].endswith("awaits_rebuild")
    assert "almoner rebuild-from-gateway" in ready.json()["detail"]
    assert (taken.status_code, now.status_code) == (201, 200)
    assert len(await restored.charged()) == 1


async def test_a_gift_that_its_second_attempt_paid_is_not_charged_for_its_first(
    almoner: Installation, donor: Donor
) -> None:
    """The gateway does not know the first one's order id: only the rebuild can tell."""
    key = str(uuid4())
    paid = await donor.gives(key=key, email="twice@example.com")
    second = attempt_id_of(almoner.work.ids, UUID(paid.json()["donation_id"]), 2)
    tamper(almoner.settings.sandbox_url, f"UPDATE sandbox_charge SET order_id = '{second.hex}'")
    lose_everything(almoner)
    await mark_restored(almoner.database)

    early = await donor.gives(key=key, email="twice@example.com")
    result = await rebuild(almoner)
    await rebuilt(almoner.database)
    again = await until_taken(donor, key, email="twice@example.com")

    assert (paid.status_code, early.status_code, result.recovered) == (201, 503, 1)
    assert again.json()["transaction_id"] == paid.json()["transaction_id"]
    assert [captured for _, _, captured in await almoner.charged()] == [True]


async def test_a_rebuild_writes_attempts_in_spite_of_the_mark(
    restored: Installation,
) -> None:
    """It alone: a statement of anybody else is refused as on a standby."""
    insert = "INSERT INTO payment_attempt (attempt_id) SELECT NULL::uuid WHERE false"
    url = restored.settings.servers.database_url
    with psycopg.connect(url) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(insert)
        connection.rollback()
        connection.execute("SELECT set_config('almoner.rebuilding', 'on', true)")
        assert connection.execute(insert).rowcount == 0
        connection.rollback()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(insert)


async def test_the_mark_is_there_before_the_first_row(
    almoner: Installation, new_database: NewDatabase, tmp_path: Path
) -> None:
    """A restore that breaks off leaves it; one that is refused leaves a living database alone."""
    empty = Database(new_database(empty=True), size=1)
    await empty.open()
    try:
        with pytest.raises(BackupError):
            await put_back(empty, tmp_path / "nothing.dump", takes_gifts=True)
        with pytest.raises(NotEmpty):
            await put_back(almoner.database, tmp_path / "nothing.dump", takes_gifts=True)

        assert await awaits_rebuild(empty)
        assert not await awaits_rebuild(almoner.database)
    finally:
        await empty.close()
