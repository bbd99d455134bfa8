"""List charities, a page at a time."""

from __future__ import annotations

from typing import Any

from almoner.charities import queries
from almoner.charities.cursors import Position
from almoner.charities.schemas import Filters
from almoner.platform.db import Database

Row = dict[str, Any]


async def list_charities(
    database: Database, filters: Filters, after: Position | None, limit: int
) -> tuple[list[Row], Position | None]:
    """A page and where the next one begins, None after the last.

    The position is a place in the order, not a count: rows that come or go while somebody
    reads shift nothing. Raises DatabaseAway.
    """
    rows = await queries.list_page(database, filters, after, limit + 1)
    return rows[:limit], place_of(rows[limit - 1], stage=0) if len(rows) > limit else None


def place_of(row: Row, *, stage: int) -> Position:
    """The position of a row in the order of the list, or of a stage of a search."""
    return Position(stage, row["charity_id"], row["sort_key"], row.get("score", 0))
