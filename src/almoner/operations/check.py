"""Check: every invariant there is, and the match with the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator

from almoner.operations.invariants import INVARIANTS, Finding, examine
from almoner.operations.match_gateway import Match, MatchedGateway, match_gateway
from almoner.platform.db import Database
from almoner.platform.schema import REVISION, revision_of


async def check(
    database: Database, gateway: MatchedGateway, match: Match
) -> AsyncIterator[Finding]:
    """One finding after the other; `match` is filled on the way. Raises DatabaseAway."""
    schema = await _schema(database)
    yield schema
    if not schema.holds:
        return
    for invariant in INVARIANTS:
        yield await examine(database, invariant)
    finding, found = await match_gateway(database, gateway)
    match.matched, match.open, match.captured_minor = (
        found.matched,
        found.open,
        found.captured_minor,
    )
    yield finding


async def _schema(database: Database) -> Finding:
    found = await revision_of(database)
    holds = found == REVISION
    return Finding(
        0, "schema", f"The schema is at {REVISION}.", holds, int(not holds),
        [] if holds else [str(found)],
    )  # fmt: skip
