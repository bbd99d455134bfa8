"""`almoner sandbox`: what the sandbox gateway truly did."""

from __future__ import annotations

import asyncio
from operator import itemgetter
from typing import Annotated, Any

import typer
from rich.console import Console

from almoner.cli.data_dir import DataDirOption, settings_for
from almoner.platform.embedded.servers import servers
from almoner.platform.errors import Unavailable
from almoner.platform.logging import configure_logging
from almoner.platform.settings import Settings

COULD_NOT_LOOK = 3

app = typer.Typer(help="The sandbox gateway.", no_args_is_help=True)


@app.callback()
def sandbox() -> None:
    """The sandbox gateway: its own record of charges, kept apart from Almoner's books."""


@app.command()
def charges(
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what the sandbox truly charged, from its own record.

    `order_id` is the payment attempt's id. Charges that were declined are listed with captured
    false. Compare with `almoner check`, which matches both records to the last cent.
    """
    import msgspec

    configure_logging("error", "auto")
    with servers(settings_for(data_dir)) as settings:
        try:
            found = asyncio.run(_charges(settings))
        except Unavailable as error:
            typer.echo(f"The record could not be read: {error}", err=True)
            raise typer.Exit(COULD_NOT_LOOK) from None
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)))
        return
    console = Console(highlight=False)
    for charge in found["charges"]:
        word = "captured" if charge["captured"] else "declined"
        console.print(
            f"{charge['transaction_id']}  {charge['amount']:>12} {charge['currency']}  {word}  "
            f"{charge['order_id']}"
        )
    console.print(f"{found['captured']} captured, {found['declined']} declined")


async def _charges(settings: Settings) -> dict[str, Any]:
    from almoner.bootstrap import make_gateway

    gateway = make_gateway(settings)
    await gateway.open()
    try:
        rows = [
            {
                "order_id": charge.order_id,
                "transaction_id": charge.gateway_transaction_id,
                "amount": charge.money.decimal_text(),
                "currency": charge.money.currency,
                "captured": charge.captured,
            }
            async for charge in gateway.charges()
        ]
        rows.sort(key=itemgetter("transaction_id"))
    finally:
        await gateway.close()
    captured = sum(1 for row in rows if row["captured"])
    return {"captured": captured, "declined": len(rows) - captured, "charges": rows}
