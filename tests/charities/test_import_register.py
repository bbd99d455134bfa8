"""Importing registers into a real database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from almoner.charities.errors import ImportRunning
from almoner.charities.import_register import BadRow, ImportSummary, import_register, recognise
from almoner.charities.registers.queries import import_session
from almoner.charities.seed_demo import seed_demo
from almoner.platform.db import Database
from charities.conftest import irs_row, uk_row

Writer = Callable[..., Path]
Imports = Callable[..., Any]


async def one(database: Database, sql: str, *parameters: object) -> Any:
    row = await database.fetch_one(sql, parameters)
    return None if row is None else next(iter(row.values()))


async def test_the_same_file_again_changes_nothing(
    database: Database, irs_file: Writer, uk_file: Writer, imports: Imports
) -> None:
    """Nothing doubled, nothing rewritten, no number used up."""
    files = irs_file(irs_row(), irs_row(EIN="000000002")), uk_file(uk_row())
    first = await imports(*files)
    kept = await database.fetch_all("SELECT *, xmin::text FROM charity ORDER BY charity_id")

    second = await imports(*files)

    assert (first.added, first.unchanged) == (3, 0)
    assert (second.added, second.changed, second.unchanged) == (0, 0, 3)
    assert kept == await database.fetch_all("SELECT *, xmin::text FROM charity ORDER BY charity_id")
    assert min(row["charity_id"] for row in kept) >= 100_001


async def test_what_differs_is_changed_and_the_address_stays(
    database: Database, irs_file: Writer, imports: Imports
) -> None:
    """A new name keeps the old slug, which people have as a bookmark."""
    await imports(irs_file(irs_row(NAME="OLD NAME")))

    summary = await imports(irs_file(irs_row(NAME="NEW NAME")))

    assert (summary.added, summary.changed) == (0, 1)
    row = await database.fetch_one("SELECT name, slug FROM charity")
    assert row == {"name": "New Name", "slug": "old-name-us-010466768"}


async def test_bad_rows_are_reported_and_the_rest_goes_in(
    database: Database, irs_file: Writer, imports: Imports
) -> None:
    """Line and reason for each."""
    bad: list[BadRow] = []
    path = irs_file(irs_row(EIN="bad"), irs_row(), "a,b", irs_row(EIN="000000002"))

    summary = await imports(path, bad=bad)

    assert (summary.read, summary.added, summary.bad) == (4, 2, 2)
    assert [(row.file, row.line) for row in bad] == [("eo.csv", 2), ("eo.csv", 4)]
    assert "nine digits" in bad[0].reason
    assert await one(database, "SELECT count(*) FROM charity") == 2


async def test_a_charity_that_comes_twice_counts_once(
    database: Database, irs_file: Writer, imports: Imports
) -> None:
    """The first row counts, the second is reported; again is still no change."""
    bad: list[BadRow] = []
    path = irs_file(irs_row(NAME="FIRST"), irs_row(NAME="SECOND"))

    first, second = await imports(path, bad=bad), await imports(path)

    assert (first.added, first.bad, bad[0].line) == (1, 1, 3)
    assert (second.added, second.changed, second.unchanged) == (0, 0, 1)
    assert await one(database, "SELECT name FROM charity") == "First"


async def test_one_that_may_no_longer_be_given_to_is_closed_and_may_come_back(
    database: Database, irs_file: Writer, imports: Imports
) -> None:
    """The register says so both times; what it never listed is only counted."""
    await imports(irs_file(irs_row()))

    gone = await imports(irs_file(irs_row(STATUS="25"), irs_row(EIN="000000009", STATUS="25")))
    assert (gone.closed, gone.skipped) == (1, {"not_in_force": 2})
    assert await one(database, "SELECT status FROM charity") == "closed"
    again = await imports(irs_file(irs_row(STATUS="25")))
    assert again.closed == 0

    back = await imports(irs_file(irs_row()))
    assert (back.added, back.changed) == (0, 1)
    assert await one(database, "SELECT status FROM charity") == "active"


async def test_what_staff_have_closed_stays_closed(
    database: Database, irs_file: Writer, imports: Imports
) -> None:
    """A register does not overrule people."""
    await imports(irs_file(irs_row()))
    await _run(database, "UPDATE charity SET status = 'closed', closed_by = 'staff'")

    await imports(irs_file(irs_row(NAME="NEW NAME")))

    assert await one(database, "SELECT status || ' ' || name FROM charity") == "closed New Name"


async def test_private_persons_are_never_stored(
    database: Database, irs_file: Writer, uk_file: Writer, imports: Imports
) -> None:
    """Neither ICO nor STREET nor SORT_NAME nor a postcode is anywhere in the database."""
    await imports(irs_file(irs_row()), uk_file(uk_row()))

    dump = str(await database.fetch_all("SELECT charity::text FROM charity")).upper()
    assert "RIVER SCHOOL" in dump
    for private in ("PRIVATE", "HOME ST", "20006", "N7 7JW"):
        assert private not in dump


async def test_the_words_of_the_demo_catalogue_are_not_overwritten(
    database: Database, irs_file: Writer, imports: Imports
) -> None:
    """The register may close and open it, and no more."""
    await seed_demo(database)
    red_cross = "SELECT status || ' ' || name FROM charity WHERE charity_id = 101"

    listed = await imports(irs_file(irs_row(EIN="530196605", NAME="AMERICAN NATIONAL RED CROSS")))
    assert (listed.added, listed.unchanged) == (0, 1)
    assert await one(database, red_cross) == "active American Red Cross"

    await imports(irs_file(irs_row(EIN="530196605", STATUS="25")))
    assert await one(database, red_cross) == "closed American Red Cross"
    await imports(irs_file(irs_row(EIN="530196605")))
    assert await one(database, red_cross) == "active American Red Cross"


async def test_demo_after_an_import_leaves_the_imported_one(
    database: Database, irs_file: Writer, imports: Imports
) -> None:
    """One charity is never there twice."""
    await imports(irs_file(irs_row(EIN="530196605", NAME="AMERICAN NATIONAL RED CROSS")))

    assert await seed_demo(database, if_empty=True) == 0
    assert await seed_demo(database) == 41
    assert await one(database, "SELECT count(*) FROM charity WHERE register_id = '530196605'") == 1


async def test_many_rows_go_in_batches(
    database: Database, irs_file: Writer, imports: Imports
) -> None:
    """Progress is told after each; the whole adds up."""
    path = irs_file(*[irs_row(EIN=f"{number:09d}") for number in range(4_500)])
    told: list[int] = []

    summary = await import_register(
        database, [recognise(path)], progress=lambda so_far, _: told.append(so_far.read)
    )

    assert told == [2_000, 4_000, 4_500]
    assert summary == ImportSummary(read=4_500, added=4_500)


async def test_only_one_import_at_a_time(
    database: Database, irs_file: Writer, imports: Imports
) -> None:
    """The second says so and touches nothing."""
    async with import_session(database):
        with pytest.raises(ImportRunning):
            await imports(irs_file(irs_row()))

    assert (await imports(irs_file(irs_row()))).added == 1


@pytest.mark.parametrize(
    ("file", "rows", "added", "skipped"),
    [
        ("irs-bmf/eo_dc.demo-1000.csv", 1_000, 1_000, {}),
        ("uk/ukcat-top2000.csv", 2_464, 2_385, {"not_active": 71, "only_an_id": 8}),
        ("uk/well-known-uk.csv", 113, 113, {}),
    ],
)
async def test_the_real_registers(
    shared_data: Path, imports: Imports, file: str, rows: int, added: int, skipped: dict[str, int]
) -> None:
    """Every row of the published files is accounted for, twice."""
    path = shared_data / "registers" / file

    first, second = await imports(path), await imports(path)

    assert first == ImportSummary(read=rows, added=added, skipped=skipped)
    assert second == ImportSummary(read=rows, unchanged=added, skipped=skipped)


async def test_no_private_field_of_the_real_file_is_stored(
    database: Database, shared_data: Path, imports: Imports
) -> None:
    """Names of persons that stand in SORT_NAME, and the streets."""
    await imports(shared_data / "registers/irs-bmf/eo_dc.demo-1000.csv")

    dump = str(await database.fetch_all("SELECT charity::text FROM charity")).upper()
    for private in ("RICCI LEVY", "MARY TINGERTHAL", "COREY WALKER", "17TH ST NW", "SUITE 1100"):
        assert private not in dump


async def _run(database: Database, sql: str) -> None:
    async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as connection:
        await connection.execute(sql)
