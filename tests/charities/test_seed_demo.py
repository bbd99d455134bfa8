"""The demo catalogue."""

from __future__ import annotations

import csv
from pathlib import Path

from almoner.charities.seed_demo import demo_catalogue, seed_demo
from almoner.charities.websites import website_of
from almoner.platform.db import Database


async def test_it_goes_in_once_and_can_be_renewed(database: Database) -> None:
    """Numbers from 101 in the order of the file, which is also the order of the list."""
    catalogue = demo_catalogue()

    assert await seed_demo(database, if_empty=True) == len(catalogue)
    assert await seed_demo(database, if_empty=True) == 0
    assert await seed_demo(database) == len(catalogue)

    rows = await database.fetch_all("SELECT charity_id, slug FROM charity ORDER BY list_rank")
    assert [row["slug"] for row in rows] == [charity.slug for charity in catalogue]
    assert [row["charity_id"] for row in rows] == list(range(101, 101 + len(catalogue)))


def test_it_is_of_many_countries_and_in_two_languages() -> None:
    """About forty, with facts that can be used."""
    catalogue = demo_catalogue()

    assert 38 <= len(catalogue) <= 45
    assert len({charity.country for charity in catalogue}) >= 12
    for charity in catalogue:
        assert charity.website is not None
        assert website_of(charity.website) == charity.website
        assert len(charity.description) > 60
        assert sum("\u4e00" <= sign <= "\u9fff" for sign in charity.description_zh) > 20
        assert (charity.register is None) == (charity.register_id is None)


def test_its_numbers_are_those_of_the_registers(shared_data: Path) -> None:
    """As far as the registers at hand hold them."""
    numbers: dict[str, str] = {}
    with (shared_data / "registers/irs-bmf/eo_dc.demo-1000.csv").open(newline="") as file:
        numbers |= {row["EIN"]: row["NAME"] for row in csv.DictReader(file)}
    with (shared_data / "registers/uk/ukcat-top2000.csv").open(encoding="utf-8") as file:
        numbers |= {row["reg_number"]: row["name"] for row in csv.DictReader(file)}

    checked = 0
    for charity in demo_catalogue():
        name = numbers.get(charity.register_id or "none")
        if name is not None:
            checked += 1
            word = max(charity.name.replace(" GB", "").split(), key=len)
            assert word.upper() in name.upper()
    assert checked >= 10
