"""Withdraw stamps that may have been committed although the database did not say so."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

import structlog

from almoner.payments.attempt import Attempt
from almoner.payments.withdraw import withdraw
from almoner.platform.db import Database
from almoner.platform.errors import Unavailable

log = structlog.get_logger(__name__)

_PAUSE_S: Final = 0.5
_AT_ONCE: Final = 500


class Withdrawals:
    """What this process has stamped, perhaps, and provably never sends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unsent: dict[UUID, Attempt] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many stamps are still to be withdrawn."""
        return len(self._unsent)

    def later(self, attempt: Attempt) -> None:
        """Withdraw it as soon as the database is back."""
        self._unsent[attempt.lease_owner] = attempt
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._until_done(), name="withdrawals")

    async def open(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Give up. What is left the resolver finds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _until_done(self) -> None:
        while self._unsent:
            attempts = list(self._unsent.values())[:_AT_ONCE]
            try:
                await withdraw(self._database, attempts)
            except Unavailable:
                await asyncio.sleep(_PAUSE_S)
                continue
            for attempt in attempts:
                self._unsent.pop(attempt.lease_owner, None)
            log.info("unsent_attempts_withdrawn", count=len(attempts))
