"""Put the demo catalogue in: real, well-known charities to begin with."""

from __future__ import annotations

from importlib import resources
from typing import Final

import msgspec
from msgspec import Struct

from almoner.charities import queries
from almoner.platform.db import Database

FIRST_ID: Final = 101


class DemoCharity(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `demo/catalogue.json`. Ids that were not certain are left out there."""

    slug: str
    name: str
    description: str
    description_zh: str
    category: str
    country: str
    name_zh: str | None = None
    website: str | None = None
    register: str | None = None
    register_id: str | None = None
    place: str | None = None


def demo_catalogue() -> list[DemoCharity]:
    """The shipped entries; the first has number 101, and so on in the order of the file."""
    text = resources.files("almoner.charities").joinpath("demo/catalogue.json").read_bytes()
    return msgspec.json.decode(text, type=list[DemoCharity])


async def seed_demo(database: Database, *, if_empty: bool = False) -> int:
    """Add or renew the demo charities; gives how many were written.

    With `if_empty` nothing happens when there is any charity. One that a register has brought in
    before stays as it is. Raises DatabaseAway.
    """
    rows = [
        {"charity_id": number, "list_rank": number - FIRST_ID + 1, **msgspec.to_builtins(charity)}
        for number, charity in enumerate(demo_catalogue(), FIRST_ID)
    ]
    return await queries.save_demo(database, rows, if_empty=if_empty)
