"""`almoner migrate`: bring the schema up to date."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from almoner.platform.embedded.servers import servers
from almoner.platform.settings import Settings


def migrate(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring the database schema up to date; changes nothing when it is.

    Uses ALMONER_DATABASE_URL, or the private database of ALMONER_DATA_DIR. `almoner serve` does
    this by itself. A lock that cannot be had within five seconds fails the command instead of
    holding up gifts; run it again.
    """
    import msgspec

    from almoner.migrations.run import upgrade

    with servers(Settings.from_environment()) as settings:
        before, after = upgrade(settings.servers.database_url)
    if as_json:
        typer.echo(msgspec.json.encode({"before": before, "after": after}))
    elif before == after:
        Console(highlight=False).print(f"The schema is up to date ({after}).")
    else:
        Console(highlight=False).print(f"The schema went from {before or 'nothing'} to {after}.")
