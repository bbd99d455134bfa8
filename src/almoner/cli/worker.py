"""`almoner worker`: what goes on without a donor waiting."""

from __future__ import annotations

from typing import Annotated

import typer

from almoner.platform.logging import configure_logging
from almoner.platform.settings import Settings


def worker(
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port on 127.0.0.1 for this worker's own metrics; 0: a free one."
        ),
    ] = None,
) -> None:
    """Run one worker: it finds out what became of charges that have no answer, and watches.

    Needs ALMONER_DATABASE_URL and ALMONER_SECRET_KEY. Any number may run; leases in the database
    keep them apart. What the monitor finds is in the database and shown by every web process; under
    `almoner serve` the worker's own counters are too. One that runs alone shows its own on
    --metrics-port.
    """
    import uvloop

    from almoner.bootstrap import Work
    from almoner.worker import run

    settings = Settings.from_environment()
    configure_logging(settings.logging.log_level, settings.logging.log_format)
    uvloop.run(run(Work(settings), metrics_port=metrics_port))
