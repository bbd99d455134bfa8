"""Check: every invariant there is, and the match with the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator

from almoner.operations.finding import Finding, finding
from almoner.operations.invariants import INVARIANTS
from almoner.operations.view import View
from almoner.platform.db import Database
from almoner.platform.errors import Unavailable
from almoner.platform.schema import REVISION, revision_of


async def check(view: View) -> AsyncIterator[Finding]:
    """One finding after the other; `view.match` is filled on the way. Raises DatabaseAway."""
    schema = await _schema(view.database)
    yield schema
    if not schema.holds:
        return
    for invariant in INVARIANTS:
        try:
            async for found in invariant.look(view):
                yield found
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - damage can make any statement fail
            name = f"{type(invariant).__name__} could not be looked at"
            yield finding(invariant.number, name, invariant.sentence, [type(error).__name__])


async def _schema(database: Database) -> Finding:
    found = await revision_of(database)
    wrong = [] if found == REVISION else [str(found)]
    return finding(0, "schema", f"The schema is at {REVISION}.", wrong)
