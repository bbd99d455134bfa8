"""`almoner ledger`: balances, the chain of hashes and its heads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from almoner.cli.asking import JsonOption, ask_database, print_json
from almoner.cli.data_dir import DataDirOption
from almoner.ledger.head import Head
from almoner.ledger.verify import Verified
from almoner.platform.db import Database

BROKEN = 1
NOT_HEADS = 2

app = typer.Typer(help="The books: balances, seals, heads.", no_args_is_help=True)


@app.callback()
def ledger() -> None:
    """The books: double entry, append-only, sealed by a chain of hashes for each shard."""


@app.command()
def balances(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Show what stands in each account, in each currency. Reads the whole ledger.

    Assets and expenses are positive, income is negative; all together are zero.
    """
    from almoner.ledger.balance import balances as sums

    found = ask_database(data_dir, sums)
    if as_json:
        print_json(found)
        return
    console = Console(highlight=False, soft_wrap=True)
    for balance in found:
        money = balance.money
        console.print(
            f"{balance.account:<40} {money.decimal_text():>16} {money.currency}  "
            f"{balance.entries} entries"
        )


@app.command()
def head(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Print the newest seal of each shard, to be kept elsewhere.

    With `--json` in a file outside this installation, `almoner ledger verify --head FILE` can show
    later that nothing before it was changed, not even by somebody who wrote the chain anew.
    """
    from almoner.ledger.head import heads

    found = ask_database(data_dir, heads)
    if as_json:
        print_json(found)
        return
    for one in found:
        typer.echo(f"{one.shard}  {one.number:>8}  {one.hash}  {one.sealed_at}")


@app.command()
def verify(
    head_file: Annotated[
        Path | None,
        typer.Option("--head", help="Heads that were kept before.", exists=True, dir_okay=False),
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make every hash of the ledger's chains again, and say where one does not fit.

    Exit codes: 0 everything verifies, 1 a chain is broken (shard and seal are named), 2 the file of
    heads cannot be read, 3 the database could not be asked. Only reads; gifts go on meanwhile.
    """
    kept = _read_heads(head_file)

    async def work(database: Database) -> list[Verified]:
        from almoner.ledger.verify import verify as walk

        return [shard async for shard in walk(database, kept=kept)]

    found = ask_database(data_dir, work)
    holds = not any(shard.broken for shard in found)
    if as_json:
        print_json({"holds": holds, "shards": found})
    else:
        for shard in found:
            typer.echo(
                f"shard {shard.shard}: "
                + (f"BROKEN at {shard.broken}" if shard.broken else "holds")
                + f"  {shard.seals} seals, {shard.entries} entries"
            )
    if not holds:
        raise typer.Exit(BROKEN)


def _read_heads(path: Path | None) -> list[Head]:
    if path is None:
        return []
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Head])
    except msgspec.DecodeError as error:
        typer.echo(
            f"{path} holds no heads as `almoner ledger head --json` prints: {error}", err=True
        )
        raise typer.Exit(NOT_HEADS) from None
