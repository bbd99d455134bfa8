"""Reporting: how full everything is, written down for the metrics now and then.

Not with every change: several processes share their metrics through files, and a gift passes many
queues.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from almoner.platform.metrics import forget_dead_processes

PAUSE_S: Final = 1.0


class Reporting:
    """Calls `report` every second."""

    def __init__(self, report: Callable[[], None]) -> None:
        self._report = report
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin; what dead processes reported is forgotten first."""
        forget_dead_processes()
        self._task = asyncio.create_task(self._run(), name="reporting")

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._report()
            await asyncio.sleep(PAUSE_S)
