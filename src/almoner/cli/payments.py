"""`almoner payments`: the payments role alone."""

from __future__ import annotations

from typing import Annotated

import typer

from almoner.platform.logging import configure_logging
from almoner.platform.settings import Settings, SettingsError


def payments(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
) -> None:
    """Run the payments role: the only process that talks to the gateway.

    Web processes reach it with ALMONER_PAYMENTS_URL; both need the same ALMONER_SERVICE_TOKEN.
    Never make it public.
    """
    from almoner.app import create_payments
    from almoner.bootstrap import Payments
    from almoner.cli.listen import run

    settings = Settings.from_environment()
    configure_logging(settings.logging.log_level, settings.logging.log_format)
    if not settings.secrets.service_token:
        raise SettingsError("ALMONER_SERVICE_TOKEN is not set: web and payments share one.")
    application = create_payments(Payments(settings))
    run(application, (host or settings.web.host, settings.web.port if port is None else port, None))
