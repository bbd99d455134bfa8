"""`almoner web`: the HTTP API and the pages."""

from __future__ import annotations

from typing import Annotated

import typer

from almoner.platform.logging import configure_logging
from almoner.platform.settings import Settings


def web(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    fd: Annotated[
        int | None, typer.Option(help="A listening socket handed down by a supervisor.")
    ] = None,
) -> None:
    """Run one web process: the HTTP API and the donors' pages.

    Needs ALMONER_DATABASE_URL and ALMONER_SECRET_KEY; start as many as you like behind a load
    balancer, each with the same settings. The schema must be up to date (`almoner migrate`).
    """
    from almoner.app import create_web
    from almoner.bootstrap import Web
    from almoner.cli.listen import run

    settings = Settings.from_environment()
    configure_logging(settings.logging.log_level, settings.logging.log_format)
    parts = Web(settings)
    listen = (host or settings.web.host, settings.web.port if port is None else port, fd)
    run(create_web(parts), listen, parts.end_streams, parts.release_donors)
