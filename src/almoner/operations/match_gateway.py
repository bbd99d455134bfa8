"""Match our attempts with the gateway's own record, as a check of `almoner check`."""

from __future__ import annotations

from typing import Final

from almoner.operations.finding import Finding, finding
from almoner.operations.match.charges import Match, MatchedGateway, compare_charges
from almoner.operations.match.difference import Kind
from almoner.platform.db import Database

__all__ = ["Match", "MatchedGateway", "match_gateway"]

_WORK_TO_DO: Final = frozenset({Kind.DISPUTE_DIFFERS})
"""Differences that only say that we have not looked yet."""


async def match_gateway(database: Database, gateway: MatchedGateway) -> tuple[Finding, Match]:
    """Compare both records. Keeps nothing; the daily match does. Raises DatabaseAway."""
    match, differences = await compare_charges(database, gateway)
    breaches = [f"{d.subject}: {d.kind}" for d in differences if d.kind not in _WORK_TO_DO]
    sentence = f"Our books and the record of {gateway.name} agree, charge by charge."
    return finding(11, f"matches_{gateway.name}", sentence, breaches), match
