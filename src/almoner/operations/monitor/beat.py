"""Beat: say in the database how the loops of this process fare."""

from __future__ import annotations

from almoner.operations.monitor import queries
from almoner.platform.db import Database
from almoner.platform.errors import Unavailable
from almoner.platform.ids import new_id
from almoner.platform.loops import REPORTS


class Beats:
    """The life signs of one process."""

    def __init__(self, database: Database, role: str) -> None:
        self._database = database
        self._role = role
        self._process_id = new_id()

    async def open(self) -> None:
        """Nothing: the first beat says that we are here."""

    async def close(self) -> None:
        """Take our loops out of the list: they have ended in order."""
        try:
            async with self._database.connection() as connection:
                await queries.forget_beats(connection, self._process_id)
        except Unavailable:
            return  # the next process that beats takes their place

    async def beat(self) -> int:
        """Write down when each loop last ran. Raises DatabaseAway."""
        async with self._database.connection() as connection:
            await queries.store_beats(
                connection, self._process_id, self._role, list(REPORTS.values())
            )
        return 0
