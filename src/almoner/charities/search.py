"""Search charities by words, typing errors included.

Three stages follow one another, each leaving out what the ones before have shown: every word in
the name; every word in name or description; names that are like what was typed. A page is filled
from as many stages as it needs, so a plain hit never pays for the guessing.
"""

from __future__ import annotations

from typing import Final

from almoner.charities import queries
from almoner.charities.cursors import Position
from almoner.charities.errors import SearchTooBroad
from almoner.charities.list import Row, list_charities, place_of
from almoner.charities.schemas import Filters
from almoner.charities.words import fold, words_query
from almoner.platform.db import Database

_NAMED, _TOLD, _ALIKE = 1, 2, 3
_PAGES: Final = {
    _NAMED: queries.named_page,
    _TOLD: queries.told_page,
    _ALIKE: queries.alike_page,
}


async def search_charities(
    database: Database, filters: Filters, after: Position | None, limit: int
) -> tuple[list[Row], Position | None]:
    """A page of what was found, best first, and where the next one begins.

    Raises DatabaseAway, and SearchTooBroad when not even the words could be found in time.
    """
    folded = fold(filters.q)
    words = {
        "folded": folded,
        "in_name": words_query(folded, weight="A"),
        "anywhere": words_query(folded),
    }
    if not words["anywhere"]:
        return await list_charities(database, filters, after, limit)
    found: list[tuple[Row, int]] = []
    for stage in range(after.stage if after else _NAMED, _ALIKE + 1):
        begin = after if after and after.stage == stage else None
        wanted = limit + 1 - len(found)
        rows = await _stage(database, stage, words, filters, begin, wanted)
        found += [(row, stage) for row in rows]
        if len(found) > limit:
            last, its_stage = found[limit - 1]
            return [row for row, _ in found[:limit]], place_of(last, stage=its_stage)
    return [row for row, _ in found], None


async def _stage(
    database: Database,
    stage: int,
    words: dict[str, str],
    filters: Filters,
    after: Position | None,
    limit: int,
) -> list[Row]:
    """Rows of one stage. Guessing that takes too long finds nothing, and that is no error."""
    try:
        return await _PAGES[stage](database, words, filters, after, limit)
    except SearchTooBroad:
        if stage == _ALIKE:
            return []
        raise
