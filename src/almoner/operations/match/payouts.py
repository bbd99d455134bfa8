"""Compare the books with the payouts: what was taken and never paid out, what does not add up."""

from __future__ import annotations

from typing import Final

from almoner.operations.match import queries
from almoner.operations.match.difference import Difference
from almoner.platform.clock import now_ms
from almoner.platform.db import Database

_DAY_MS: Final = 86_400_000
_FOUND_MAX: Final = 10_000


async def compare_payouts(database: Database, gateway: str, *, days_max: int) -> list[Difference]:
    """Captures that no payout has after `days_max` days, and payouts that do not add up.

    Of the former at most ten thousand. Raises DatabaseAway.
    """
    before_ms = now_ms() - days_max * _DAY_MS
    missing = await queries.not_paid_out(database, gateway, before_ms, _FOUND_MAX)
    return missing + await queries.payouts_apart(database, gateway)
