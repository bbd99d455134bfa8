"""The worker: what goes on without a donor waiting."""

from __future__ import annotations

import asyncio
import signal

import structlog

from almoner.bootstrap import Work
from almoner.platform.errors import Unavailable
from almoner.platform.metrics import RESOLVED

log = structlog.get_logger(__name__)


async def run(work: Work) -> None:
    """Work until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        await work.open()
        await _resolve(work, stopping)
    finally:
        await work.close()


async def _resolve(work: Work, stopping: asyncio.Event) -> None:
    """Sweep for charges in doubt. A fault of one sweep must not end the sweeping."""
    pause_s = work.settings.resolver.resolver_pause_ms / 1000
    while not stopping.is_set():
        try:
            looked_up = await work.resolver.sweep()
            RESOLVED.inc(looked_up)
        except Unavailable:
            log.warning("resolver_waits_for_database")
            looked_up = 0
        except Exception:
            log.exception("resolver_sweep_failed")
            looked_up = 0
        if not looked_up:
            await _pause(stopping, pause_s)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
