"""`almoner webhooks`: what gateways told us."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer
from rich.console import Console

from almoner.cli.data_dir import DataDirOption, installation, settings_for
from almoner.platform.errors import Unavailable
from almoner.platform.logging import configure_logging

if TYPE_CHECKING:
    from pathlib import Path

    from almoner.platform.db import Database

COULD_NOT_LOOK = 3

T = TypeVar("T")

app = typer.Typer(help="What gateways told us.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_webhooks(
    parked: Annotated[bool, typer.Option(help="Only those that were tried too often.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 50,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the webhooks that came last, the newest first.

    Exit codes: 0 shown, 3 the database could not be asked.
    """
    import msgspec

    from almoner.payments.webhooks.parked import received

    found = _with(data_dir, lambda database: received(database, limit, parked_only=parked))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode({"webhooks": found})).decode())
        return
    console = Console(highlight=False, soft_wrap=True)
    for one in found:
        word = "parked" if one.parked_at else "done" if one.processed_at else "waiting"
        console.print(
            f"{one.webhook_id}  {one.received_at:%Y-%m-%d %H:%M:%S}  {one.gateway}  "
            f"{one.kind}  {len(one.order_ids)} orders, {one.unknown_orders or 0} unknown  {word}",
            markup=False,
        )
    console.print(f"{len(found)} shown.")


@app.command()
def retry(
    webhooks: Annotated[list[UUID] | None, typer.Argument(help="Their ids.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are parked.")] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let parked webhooks be tried again.

    Exit codes: 0 done, 2 neither ids nor --all, 3 the database could not be asked.
    """
    from almoner.payments.webhooks.parked import try_again

    if bool(webhooks) == everything:
        raise typer.BadParameter("Name webhooks, or say --all.")
    ids = None if everything else webhooks
    count = _with(data_dir, lambda database: try_again(database, ids))
    typer.echo(f'{{"retried": {count}}}' if as_json else f"{count} will be tried again.")


def _with(data_dir: Path | None, ask: Callable[[Database], Awaitable[T]]) -> T:
    configure_logging("error", "auto")
    try:
        with installation(settings_for(data_dir)) as settings:
            return asyncio.run(_asked(settings.servers.database_url, ask))
    except Unavailable as error:
        typer.echo(f"The database could not be asked: {error}", err=True)
        raise typer.Exit(COULD_NOT_LOOK) from None


async def _asked(database_url: str, ask: Callable[[Database], Awaitable[T]]) -> T:
    from almoner.platform.db import Database

    database = Database(database_url, size=1)
    try:
        await database.open()
        return await ask(database)
    finally:
        await database.close()
