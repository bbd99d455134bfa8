"""What commands have in common that ask the database something and show the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from almoner.cli.data_dir import installation, settings_for
from almoner.platform.db import Database
from almoner.platform.errors import Unavailable
from almoner.platform.logging import configure_logging
from almoner.platform.settings import Settings

COULD_NOT_ASK = 3
"""Exit code: the database could not be reached, so nothing is known and nothing was done."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Result = TypeVar("Result")


def ask(data_dir: Path | None, work: Callable[[Settings], Awaitable[Result]]) -> Result:
    """Run `work` beside the servers that the settings name. Ends with 3 if they are away."""
    configure_logging("error", "auto")  # what is wrong is said below, in one sentence

    async def run(settings: Settings) -> Result:
        return await work(settings)

    try:
        with installation(settings_for(data_dir)) as settings:
            return asyncio.run(run(settings))
    except Unavailable as error:
        typer.echo(f"The database could not be asked: {error}", err=True)
        raise typer.Exit(COULD_NOT_ASK) from None


def ask_database(data_dir: Path | None, work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Run `work` on the main database. Ends with 3 if it is away."""

    async def run(settings: Settings) -> Result:
        database = Database(settings.servers.database_url, size=2)
        await database.open()
        try:
            return await work(database)
        finally:
            await database.close()

    return ask(data_dir, run)


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value)))
