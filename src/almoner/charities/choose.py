"""Choose the charity of a gift."""

from __future__ import annotations

from msgspec import Struct

from almoner.charities import queries
from almoner.charities.known import LastKnown
from almoner.platform.db import Database, DatabaseAway

CHARITIES_KEPT_MAX = 50_000


class ChosenCharity(Struct, frozen=True):
    """What the give path must know of a charity. `currencies` None means every one is taken."""

    charity_id: int
    slug: str
    name: str
    name_zh: str | None
    status: str
    currencies: list[str] | None
    merchant_account: str | None


class CharityChooser:
    """Looks charities up for gifts: from memory for about five seconds, then again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: LastKnown[int, ChosenCharity | None] = LastKnown(
            self._look_up, size=CHARITIES_KEPT_MAX
        )

    async def choose(self, charity_id: int) -> ChosenCharity | None:
        """The charity, or None when there is none of this number.

        While the database is away the last known copy counts. Raises DatabaseAway when nothing
        is known: that a charity did not exist some time ago says nothing about now.
        """
        ready = self._known.ready(charity_id)
        if ready is not None:
            return ready
        charity, stale = await self._known.get(charity_id)
        if charity is None and stale:
            raise DatabaseAway
        return charity

    async def close(self) -> None:
        """Give up look-ups under way."""
        await self._known.close()

    async def _look_up(self, charity_id: int) -> ChosenCharity | None:
        if not 0 < charity_id < 2**63:
            return None
        row = await queries.find_chosen(self._database, charity_id)
        return None if row is None else ChosenCharity(**row)
