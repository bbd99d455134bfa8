"""`almoner events`: what could not be told, and another try."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from almoner.cli.asking import JsonOption, ask_database, print_json
from almoner.cli.data_dir import DataDirOption

app = typer.Typer(help="Events: what could not be told, and another try.", no_args_is_help=True)


@app.callback()
def events() -> None:
    """What happened is told to consumers inside Almoner; an event that one cannot handle is parked.

    `docs/reference/events.md` lists the kinds of events and the consumers.
    """


@app.command()
def parked(
    data_dir: DataDirOption = None,
    limit: Annotated[int, typer.Option(help="Show at most so many.", min=1)] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show events that a consumer gave up on, the oldest first, with the type of the last error.

    The later events of the same donation wait behind a parked one; everything else goes on.
    Exit codes: 0 shown, 3 the database could not be asked. Only reads.
    """
    from almoner.events.parked import parked as find

    found = ask_database(data_dir, lambda database: find(database, limit=limit))
    if as_json:
        print_json(found)
        return
    console = Console(highlight=False, soft_wrap=True)
    for event in found:
        console.print(
            f"{event.event_id}  {event.consumer}  {event.kind}  donation {event.donation_id}  "
            f"{event.tries} tries  {event.error}",
            markup=False,
        )
    console.print(f"{len(found)} parked")


@app.command()
def retry(
    event_id: Annotated[
        UUID | None, typer.Argument(help="One event; without it, all that are parked.")
    ] = None,
    consumer: Annotated[
        str | None, typer.Option(help="Only what this consumer gave up on.")
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let parked events be tried again at once, with all their tries before them.

    Do it when the reason is mended: an event that fails again is parked again. Each effect still
    happens once. Exit codes: 0 done, 1 nothing of that was parked, 3 the database could not be
    asked.
    """
    from almoner.events.parked import retry as try_again

    count = ask_database(
        data_dir, lambda database: try_again(database, consumer=consumer, event_id=event_id)
    )
    if as_json:
        print_json({"retried": count})
    else:
        typer.echo(f"{count} will be tried again")
    if not count:
        raise typer.Exit(1)
