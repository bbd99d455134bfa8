"""`almoner match`: attempts, the gateway's charges and its payouts, compared."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from almoner.cli.asking import JsonOption, ask, print_json
from almoner.cli.data_dir import DataDirOption
from almoner.operations.match.queries import OpenDifference
from almoner.operations.match_books import MatchResult
from almoner.platform.clock import rfc3339
from almoner.platform.settings import Settings

DIFFERENT = 1


def match(
    only_show: Annotated[
        bool, typer.Option("--show", help="Show the open differences; compare nothing.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import payouts, and compare our attempts, the gateway's charges and its payouts.

    The worker does it once a day. Differences are kept until a later match does not find them any
    more; those that a look-up may mend are looked up. Exit codes: 0 no difference is open, 1 some
    are, 3 the database or the gateway could not be asked. `docs/reference/ledger.md` explains each
    kind of difference and what to do about it.
    """

    async def work(settings: Settings) -> MatchResult:
        from almoner.bootstrap import Bookkeeping
        from almoner.operations.match.note import differences

        keeping = Bookkeeping(settings)
        await keeping.open()
        try:
            if only_show:
                return MatchResult(0, 0, {}, await differences(keeping.database))
            return await keeping.books.match.match()
        finally:
            await keeping.close()

    result = ask(data_dir, work)
    if as_json:
        print_json(result.differences if only_show else result)
    else:
        _print(result, only_show=only_show)
    if result.differences:
        raise typer.Exit(DIFFERENT)


def _print(result: MatchResult, *, only_show: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for difference in result.differences:
        console.print(_line(difference), markup=False)
    if not only_show:
        console.print(f"{result.matched} charges match, {result.open_attempts} attempts are open.")
    console.print(f"[bold]{len(result.differences)} differences are open.[/bold]")


def _line(difference: OpenDifference) -> str:
    return f"{difference.kind:<24} {difference.subject}  since {rfc3339(difference.first_seen_ms)}"
