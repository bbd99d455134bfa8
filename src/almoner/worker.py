"""The worker: what goes on without a donor waiting."""

from __future__ import annotations

import asyncio
import signal

from almoner.bootstrap import Work
from almoner.platform.loops import run_loops
from almoner.platform.metrics_port import MetricsPort


async def run(work: Work, *, metrics_port: int | None = None) -> None:
    """Work until SIGTERM or SIGINT. Raises OSError when the port for metrics is taken."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        await work.open()
        if metrics_port is not None:
            await work.start(MetricsPort(metrics_port))
        await run_loops(work.loops(), stopping)
    finally:
        await work.close()
