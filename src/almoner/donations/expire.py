"""Expire: stored answers live thirty days; that there was one, and which donation, stays."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

from almoner.donations import queries
from almoner.platform.db import Database

ANSWER_DAYS: Final = 30
_PAGE: Final = 2_000
_BREATH_S: Final = 0.05
"""Between two pages: nobody waits for this, and others use the database meanwhile."""

_START: Final = UUID(int=0)


class Expiry:
    """Walks over all stored answers, page by page. Two that walk at once do no harm.

    A key whose answer has expired is answered by the state of its donation from then on.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after = _START

    async def step(self) -> int:
        """One page; gives 0 at the end of a walk. Raises DatabaseAway."""
        async with self._database.connection() as connection:
            last = await queries.expire_responses(
                connection, self._after, days=ANSWER_DAYS, count=_PAGE
            )
        self._after = last or _START
        if last is None:
            return 0
        await asyncio.sleep(_BREATH_S)
        return 1
