"""`almoner worker`: what goes on without a donor waiting."""

from __future__ import annotations

from almoner.platform.logging import configure_logging
from almoner.platform.settings import Settings


def worker() -> None:
    """Run one worker: it finds out what became of charges that have no answer.

    Needs ALMONER_DATABASE_URL and ALMONER_SECRET_KEY. Any number may run; leases in the database
    keep them apart.
    """
    import uvloop

    from almoner.bootstrap import Work
    from almoner.worker import run

    settings = Settings.from_environment()
    configure_logging(settings.logging.log_level, settings.logging.log_format)
    uvloop.run(run(Work(settings)))
