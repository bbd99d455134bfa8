"""The worker: what goes on without a donor waiting."""

from __future__ import annotations

import asyncio
import signal

from almoner.bootstrap import Work
from almoner.platform.loops import run_loops


async def run(work: Work) -> None:
    """Work until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        await work.open()
        await run_loops(work.loops(), stopping)
    finally:
        await work.close()
