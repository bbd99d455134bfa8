"""`almoner migrate`: bring the schema up to date."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from almoner.cli.data_dir import DataDirOption, settings_for
from almoner.platform.embedded.servers import servers


def migrate(
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring the database schema up to date; changes nothing when it is.

    Uses ALMONER_DATABASE_URL, or the private database of ALMONER_DATA_DIR. `almoner serve` does
    this by itself. A lock that cannot be had within five seconds fails the command instead of
    holding up gifts; run it again.
    """
    import msgspec

    from almoner.migrations.run import upgrade

    with servers(settings_for(data_dir)) as settings:
        before, after = upgrade(settings.servers.database_url)
    if as_json:
        typer.echo(msgspec.json.encode({"before": before, "after": after}))
    elif before == after:
        Console(highlight=False).print(f"The schema is up to date ({after}).")
    else:
        Console(highlight=False).print(f"The schema went from {before or 'nothing'} to {after}.")
