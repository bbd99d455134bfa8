"""`almoner check`: every integrity check there is."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from almoner.cli.data_dir import DataDirOption, installation, settings_for
from almoner.platform.errors import Unavailable
from almoner.platform.logging import configure_logging
from almoner.platform.settings import Settings

BREACHED = 1
COULD_NOT_LOOK = 3


def check(
    data_dir: DataDirOption = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also search every row of every table for card numbers.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run every integrity check and compare the books with the gateway's own record.

    A worker does the same by itself: every few minutes for what changed, at night for everything.

    Exit codes: 0 everything holds, 1 something is broken (it is named), 3 the database could not
    be asked. Safe at any time: it only reads, and gifts go on meanwhile.
    """
    configure_logging("error", "auto")  # what is wrong is said below, in one sentence
    try:
        with installation(settings_for(data_dir)) as settings:
            result = asyncio.run(_check(settings, deep=deep, quiet=as_json))
    except Unavailable as error:
        typer.echo(f"The checks could not be made: {error}", err=True)
        raise typer.Exit(COULD_NOT_LOOK) from None
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(result)))
    else:
        _print(result)
    if not result["holds"]:
        raise typer.Exit(BREACHED)


async def _check(settings: Settings, *, deep: bool, quiet: bool) -> dict[str, Any]:
    from almoner.bootstrap import make_gateway
    from almoner.operations.check import check as check_all
    from almoner.operations.invariants import INVARIANTS
    from almoner.operations.view import View
    from almoner.platform.db import Database

    database, gateway = Database(settings.servers.database_url, size=2), make_gateway(settings)
    view, findings = View(database, gateway, deep=deep), []
    await database.open()
    try:
        await gateway.open()
        with Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
            console=Console(stderr=True), transient=True, disable=quiet,
        ) as progress:  # fmt: skip
            task = progress.add_task("checking", total=None)
            async for finding in check_all(view):
                findings.append(finding)
                progress.update(task, description=f"checked {finding.name}")
    finally:
        await gateway.close()
        await database.close()
    return {
        "holds": all(finding.holds for finding in findings),
        "checks": findings,
        "charges_matched": view.match.matched,
        "attempts_open": view.match.open,
        "captured_minor": view.match.captured_minor,
        "not_looked_at": [
            {"number": i.number, "sentence": i.sentence, "shown_by": i.shown_by,
             "to_come": i.to_come, "deep": any(check.when == "deep" for check in i.checks)}
            for i in INVARIANTS if i.number not in {finding.number for finding in findings}
        ],
    }  # fmt: skip


def _print(result: dict[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in result["checks"]:
        mark = "[green]holds [/green]" if finding.holds else "[bold red]BROKEN[/bold red]"
        console.print(f"{mark}  {finding.number:>2}  {finding.sentence}")
        if not finding.holds:
            console.print(f"        {finding.breaches} times, such as", end=" ")
            console.print(", ".join(finding.examples), markup=False)
    console.print(
        f"{result['charges_matched']} charges match the gateway's record, "
        f"{result['attempts_open']} attempts are open."
    )
    for rest in result["not_looked_at"]:
        why = f"to come with {rest['to_come']}" if rest["to_come"] else "shown by tests"
        if rest["deep"]:
            why = "with --deep"
        console.print(f"[dim]not looked at  {rest['number']:>2}  {rest['sentence']} ({why})[/dim]")
    verdict = "Everything holds." if result["holds"] else "Something is broken."
    console.print(f"[bold]{verdict}[/bold]")
