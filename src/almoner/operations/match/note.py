"""Note: keep the differences that were found, and see those that are gone as mended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import structlog

from almoner.operations.match import queries
from almoner.operations.match.difference import TREATMENTS, Difference, Kind
from almoner.operations.match.queries import OpenDifference
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.metrics import MATCH_DIFFERENCES

log = structlog.get_logger(__name__)

LookAgain = Callable[[Sequence[UUID]], Awaitable[object]]
"""Makes attempts due for a look-up. It is the look-up that moves them, never the match."""

_AT_ONCE = 1_000


async def note(
    database: Database,
    gateway: str,
    found: Sequence[Difference],
    kinds: frozenset[Kind],
    look_again: LookAgain,
) -> None:
    """Keep what was found. `kinds` are those of which everything was looked for.

    A difference that is new is logged, as an error where it wakes somebody. Raises DatabaseAway.
    """
    at_ms = now_ms()
    for start in range(0, len(found), _AT_ONCE):
        part = found[start : start + _AT_ONCE]
        for difference in await queries.upsert(database, gateway, part, at_ms):
            _tell(gateway, difference)
    await queries.resolve(database, gateway, kinds, at_ms)
    if to_look := [UUID(d.subject) for d in found if _to_look_at(d)]:
        await look_again(to_look)
    await show(database)


async def differences(database: Database) -> list[OpenDifference]:
    """All that are open, the oldest first. Raises DatabaseAway."""
    return await queries.open_differences(database)


async def show(database: Database) -> None:
    """Show how many are open as metrics. Raises DatabaseAway."""
    counts = await queries.count_open(database)
    for kind in Kind:
        MATCH_DIFFERENCES.labels(kind.value).set(counts.get(kind.value, 0))


def _tell(gateway: str, difference: Difference) -> None:
    tell = log.error if TREATMENTS[difference.kind].page else log.warning
    tell(
        "match_difference",
        gateway=gateway,
        difference=difference.kind.value,
        subject=difference.subject,
    )


def _to_look_at(difference: Difference) -> bool:
    return TREATMENTS[difference.kind].look_again and is_attempt_id(difference.subject)


def is_attempt_id(text: str) -> bool:
    """Whether an order id can be one of ours: the id of an attempt, in hexadecimal."""
    try:
        return UUID(text).hex == text
    except ValueError:
        return False
