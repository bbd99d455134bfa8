"""`almoner settlement`: what gateways paid out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer

from almoner.cli.asking import JsonOption, ask, print_json
from almoner.cli.data_dir import DataDirOption
from almoner.operations.import_settlement import Imported, Report
from almoner.payments.gateway import NotAReport
from almoner.platform.settings import Settings

DIFFERENT = 1
NOT_A_REPORT = 2

app = typer.Typer(help="What gateways paid out.", no_args_is_help=True)


@app.callback()
def settlement() -> None:
    """Settlement: payouts with their lines and fees. The worker imports them by itself."""


@app.command("import")
def import_report(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A settlement report; without it the gateway is asked.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--all", help="Ask the gateway for all payouts, not just new ones.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import payouts: each once, each line into the books with its fee.

    The same report again changes nothing; a report may be read in parts, in any order, by several
    at once. What fits no attempt is listed as a difference and changes nothing. Exit codes: 0 all
    lines are in the books, 1 there are differences, 2 the file is no report and nothing was
    written, 3 the database or the gateway could not be asked.
    """  # fmt: skip
    reports = _read(file)

    async def work(settings: Settings) -> Imported:
        from almoner.bootstrap import Bookkeeping

        keeping = Bookkeeping(settings)
        await keeping.open()
        try:
            name, imports = keeping.gateway.name, keeping.books.settlement
            if reports is None:
                return await imports.new(name, keeping.gateway, of="all" if again else "new")
            return await imports.given(name, _one_by_one(reports))
        finally:
            await keeping.close()

    done = ask(data_dir, work)
    if as_json:
        print_json(done)
    else:
        typer.echo(
            f"{done.payouts} payouts new, {done.payouts_known} known; {done.lines_settled} lines "
            f"settled, {done.lines_waiting} waiting, {len(done.differences)} different"
        )
        for difference in done.differences:
            typer.echo(f"  {difference.kind}  {difference.subject}")
    if done.differences:
        raise typer.Exit(DIFFERENT)


def _read(file: Path | None) -> list[Report] | None:
    from almoner.bootstrap import read_settlement_report

    if file is None:
        return None
    try:
        return read_settlement_report(file)
    except (NotAReport, OSError) as error:
        typer.echo(f"{file}: {error}", err=True)
        raise typer.Exit(NOT_A_REPORT) from None


async def _one_by_one(reports: list[Report]) -> AsyncIterator[Report]:
    for report in reports:
        yield report
