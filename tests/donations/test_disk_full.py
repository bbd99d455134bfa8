"""A database whose disk is full: it answers, reads, and refuses to write."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.donor import Donor
from support.installation import Installation, Installations
from support.tamper import tamper


@contextmanager
def full(almoner: Installation, table: str) -> Iterator[None]:
    """A real server that refuses each new row of a table as it does when its disk is full."""
    url = almoner.settings.servers.database_url
    tamper(
        url,
        "CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$",
        f"CREATE TRIGGER disk_is_full BEFORE INSERT ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION disk_is_full()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER disk_is_full",
    )
    try:
        yield
    finally:
        tamper(url, "DROP FUNCTION disk_is_full CASCADE")


async def test_a_gift_that_finds_no_room_is_kept_and_charged_once_there_is(
    installation: Installations, tmp_path: Path
) -> None:
    """The database's disk is full, the journal's is not: 202, no charge, then one."""
    almoner = await installation(journal_dir=str(tmp_path / "journal"), database_wait_ms=200)
    donor = Donor(almoner)
    assert (await donor.gives()).status_code == 201

    with full(almoner, "idempotency_record"):
        told = await donor.gives()
        charged_meanwhile = len(await almoner.charged())
    await almoner.until_drained()

    assert told.status_code == 202
    assert charged_meanwhile == 1
    assert (await donor.sees(told))["status"] == "success"
    assert len(await almoner.charged()) == 2


async def test_without_a_journal_a_gift_that_finds_no_room_is_refused(
    installation: Installations,
) -> None:
    """503 with Retry-After, and nothing is charged; the same key goes through afterwards."""
    almoner = await installation(database_wait_ms=200)
    donor, key = Donor(almoner), "018f2f5e-7b7c-7b7c-8b7c-7b7c7b7c7b7c"

    with full(almoner, "idempotency_record"):
        told = await donor.gives(key=key, email="full@example.com")
        charged_meanwhile = len(await almoner.charged())
    again = await donor.gives(key=key, email="full@example.com")

    assert (told.status_code, told.json()["code"]) == (503, "unavailable")
    assert told.headers["Retry-After"]
    assert charged_meanwhile == 0
    assert again.status_code == 201
    assert len(await almoner.charged()) == 1


async def test_an_outcome_that_finds_no_room_is_written_when_there_is(
    installation: Installations,
) -> None:
    """The gateway has charged, the books have no room: "being confirmed", then booked once."""
    almoner = await installation(donor_wait_ms=700)
    donor = Donor(almoner)

    with full(almoner, "ledger_entry"):
        told = await donor.gives()
        charged_meanwhile = len(await almoner.charged())
    async with asyncio.timeout(10):
        while (await donor.sees(told))["status"] != "success":  # noqa: ASYNC110 - as the page
            await asyncio.sleep(0.05)

    assert told.status_code == 202
    assert charged_meanwhile == 1
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 2
    assert len(await almoner.charged()) == 1
