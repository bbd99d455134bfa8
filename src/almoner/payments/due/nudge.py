"""Nudge: somebody reads a donation whose charge is in doubt, so its look-up is due now.

The read never waits for it. What is wanted is collected and asked for in one statement, which the
database bounds: a donor who reads every two seconds does not make the gateway be asked as often.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final
from uuid import UUID

import structlog

from almoner.payments.attempt import AttemptRow, AttemptState
from almoner.payments.due import queries
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.errors import Unavailable

log = structlog.get_logger(__name__)

GAP_MS: Final = 10_000
"""Nobody looks again within this time after a look; for older charges it is longer."""

_PAUSE_S: Final = 0.25
_WANTED_MAX: Final = 1_000


class Nudges:
    """Collects what is wanted. One for each web process."""

    def __init__(self, database: Database, *, gap_ms: int = GAP_MS) -> None:
        self._database = database
        self._gap_ms = gap_ms
        self._wanted: dict[UUID, UUID] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to pass on what is wanted."""
        self._task = asyncio.create_task(self._run(), name="nudges")

    async def close(self) -> None:
        """Forget what is wanted: the schedule comes round to it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def read(self, attempt: AttemptRow) -> None:
        """Somebody reads this attempt's donation. Costs nothing unless it is in doubt.

        One that is DISPATCHED is left alone: its call may still be under way, and it is due by
        itself soon after the call must have ended.
        """
        if attempt.state is not AttemptState.UNKNOWN or len(self._wanted) >= _WANTED_MAX:
            return
        at_ms = now_ms()
        looked_ms = attempt.looked_ms or attempt.observed_ms or attempt.dispatched_ms
        due = attempt.next_check_ms is not None and attempt.next_check_ms <= at_ms
        if due or at_ms - looked_ms < self._gap_ms:
            return
        self._wanted[attempt.attempt_id] = attempt.donor_id
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            wanted, self._wanted = self._wanted, {}
            try:
                async with self._database.connection() as connection:
                    await queries.make_due(connection, list(wanted.items()), gap_ms=self._gap_ms)
            except Unavailable:
                log.debug("nudges_dropped", count=len(wanted))
            except Exception:
                log.exception("nudges_failed")
            await asyncio.sleep(_PAUSE_S)
