"""What an invariant is: a number of the list, and the checks that can show its breach."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import ClassVar, Final, Literal

from msgspec import Struct

from almoner.operations.finding import EXAMPLES_MAX, Finding, finding
from almoner.operations.view import View

CAPTURED: Final = "('SUBMITTED', 'SETTLED', 'DISPUTED', 'LATE_SUCCESS')"
IN_INCOME: Final = "('SUBMITTED', 'SETTLED', 'DISPUTED')"
LIVE: Final = (
    "('PREPARED', 'DISPATCHED', 'UNKNOWN', 'REQUIRES_ACTION', 'AUTHORIZED', 'SUBMITTED', "
    "'SETTLED', 'DISPUTED', 'NEEDS_REVIEW')"
)

Look = Callable[[View], Awaitable[list[str]]]


class Check(Struct, frozen=True):
    """One thing to look for.

    `breaches` is a statement whose rows are the breaches, one column with an id, written with the
    placeholders of `View.sql`; or a function that gives their ids. `when`: `always`; `nightly`
    where it must read whole tables; `deep` where it must read every row of every table.
    """

    name: str
    sentence: str
    breaches: str | Look
    when: Literal["always", "nightly", "deep"] = "always"


class Invariant:
    """What must always hold, by its number in `docs/money-safety.md`.

    One that data alone cannot show names the tests that do (`shown_by`); one whose tables do not
    exist yet says with what it will come (`to_come`).
    """

    number: ClassVar[int]
    sentence: ClassVar[str]
    checks: ClassVar[tuple[Check, ...]] = ()
    shown_by: ClassVar[tuple[str, ...]] = ()
    to_come: ClassVar[str] = ""

    async def look(self, view: View) -> AsyncIterator[Finding]:
        """What each check finds. Raises DatabaseAway."""
        for check in self.checks:
            if _asked_for(check, view):
                yield await self._examine(check, view)

    async def _examine(self, check: Check, view: View) -> Finding:
        if not isinstance(check.breaches, str):
            return finding(self.number, check.name, check.sentence, await check.breaches(view))
        found = await view.sql(
            f"SELECT count(*) OVER () AS breaches, * FROM ({check.breaches}) AS b (id) "
            f"ORDER BY id LIMIT {EXAMPLES_MAX}"
        )
        rows = await view.database.fetch_all(found)
        return Finding(
            self.number,
            check.name,
            check.sentence,
            not rows,
            rows[0]["breaches"] if rows else 0,
            [row["id"] for row in rows],
        )


def _asked_for(check: Check, view: View) -> bool:
    if check.when == "deep":
        return view.deep
    return view.nightly or check.when == "always"
