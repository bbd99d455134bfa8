"""`almoner rebuild-from-gateway`: bring back what a restored database has lost."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from almoner.cli.aside import journals_aside, tell_aside
from almoner.cli.data_dir import DataDirOption, installation, settings_for
from almoner.platform.errors import Unavailable
from almoner.platform.logging import configure_logging
from almoner.platform.settings import Settings

if TYPE_CHECKING:
    from almoner.operations.recovery.queries import Kept

NOT_ALL = 1
WRONG_OPTION = 2
COULD_NOT_REACH = 3


def rebuild_from_gateway(
    data_dir: DataDirOption = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--assign",
            metavar="ORDER=CHARITY",
            help="Give the charge of an order id to a charity, where its record does not tell. "
            "May be repeated.",
        ),
    ] = None,
    to_csv: Annotated[
        Path | None, typer.Option("--csv", help="Write every recovered charge into this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Go through the gateway's own record of charges and bring into the books what they have lost.

    After a restore the gifts made since the backup are missing here and known there. A charge that
    the gateway keeps with its donation and charity becomes a donation again; its donor is lost
    ("Unknown"), but their link and their key work as before. What cannot be told is booked as
    suspense and listed: assign it to a charity, or give it back at the gateway and run this again.
    Charges that are in the books and in doubt are looked up. Safe to repeat; never charges. Once
    it has gone through the whole record, a restored database takes gifts again.

    Exit codes: 0 every captured charge has its donation, 1 some are listed that do not, 2 an option
    is wrong (a charity or a charge that is not there, or is another's already: it is named), 3 the
    database or the gateway could not be reached.
    """
    configure_logging("error", "auto")
    assigned = _assigned(assign or [])
    try:
        with installation(settings_for(data_dir)) as settings:
            result = asyncio.run(_rebuild(settings, assigned))
    except _Refused as error:
        raise _refused(error.reasons) from None
    except Unavailable as error:
        Console(stderr=True, highlight=False).print(str(error), markup=False)
        raise typer.Exit(COULD_NOT_REACH) from None
    if to_csv is not None:
        _write_csv(to_csv, result["charges"])
    _tell(result, data_dir, as_json=as_json)
    if result["not_assigned"]:
        raise _refused(result["not_assigned"])
    if not result["complete"]:
        raise typer.Exit(NOT_ALL)


class _Refused(Exception):
    """Assignments that can never be; nothing was changed."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(*reasons)
        self.reasons = reasons


def _refused(reasons: list[str]) -> typer.Exit:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for reason in reasons:
        console.print(f"Not assigned: {reason}", markup=False)
    return typer.Exit(WRONG_OPTION)


def _assigned(words: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        order_id, _, charity = word.partition("=")
        if len(order_id) != 32 or not charity.isdigit():
            Console(stderr=True, highlight=False).print(
                f"--assign {word}: write ORDER=CHARITY, 32 hexadecimal digits and a charity's id.",
                markup=False,
            )
            raise typer.Exit(WRONG_OPTION)
        found[order_id.lower()] = int(charity)
    return found


async def _rebuild(settings: Settings, assigned: dict[str, int]) -> dict[str, Any]:
    from msgspec import structs

    from almoner.bootstrap import Work
    from almoner.operations.recovery.alike import look_alikes
    from almoner.operations.recovery.queries import all_kept
    from almoner.platform.restored import rebuilt

    work = Work(settings)
    await work.open()
    try:
        rebuilding = work.rebuilding(assigned)
        if refusals := await rebuilding.refusals():
            raise _Refused(refusals)
        result = await rebuilding.run()
        while await work.resolver.sweep():
            pass
        while await work.late_money.sweep():
            pass
        while await work.giving_back.sweep():
            pass
        result.released += await rebuilding.release()
        await rebuilt(work.database)
        charges = await all_kept(work.database)
        aside = await journals_aside(settings, work.database)
    finally:
        await work.close()
    undecided = [charge for charge in charges if charge.became == "suspense"]
    return {
        "complete": not undecided and not result.differences,
        **structs.asdict(result),
        "charges": charges,
        "look_alikes": [
            [first.order_id, second.order_id] for first, second in look_alikes(charges)
        ],
        "journals_aside": aside,
    }


def _write_csv(path: Path, charges: list[Kept]) -> None:
    from almoner.platform.clock import rfc3339

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["order_id", "transaction_id", "charged_at", "amount", "currency", "became", "reason",
             "donation_id", "charity_id"]
        )  # fmt: skip
        for charge in charges:
            writer.writerow(
                [charge.order_id, charge.gateway_transaction_id, rfc3339(charge.charged_ms),
                 charge.money.decimal_text(), charge.money.currency, charge.became, charge.reason,
                 charge.donation_id or "", charge.charity_id or ""]
            )  # fmt: skip


def _tell(result: dict[str, Any], data_dir: Path | None, *, as_json: bool) -> None:
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(result)))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{result['seen']} charges seen: {result['known']} are in the books, "
        f"{result['looked_up']} were looked up, {result['recovered']} became donations again."
    )
    if result["late"]:
        console.print(
            f"{result['late']} of them were declined first and captured after all. Their donors "
            "were told that they were not charged, so the money goes back."
        )
    if result["foreign"]:
        console.print(f"{result['foreign']} have an order id that is not ours; left alone.")
    for difference in result["differences"]:
        console.print("[bold red]DIFFERENT[/bold red]  ", end="")
        console.print(difference, markup=False)
    undecided = [charge for charge in result["charges"] if charge.became == "suspense"]
    for charge in undecided:
        console.print("[bold red]UNDECIDED[/bold red]  ", end="")
        console.print(
            f"{charge.order_id}  {charge.gateway_transaction_id}  {charge.money}  {charge.reason}",
            markup=False,
        )
    if undecided:
        console.print(
            "Assign these to a charity (--assign ORDER=CHARITY), or give them back at the gateway "
            "and run this again."
        )
    for first, second in result["look_alikes"]:
        console.print(f"[bold]ALIKE[/bold]  {first}  {second}")
    if result["look_alikes"]:
        console.print(
            "Each of these pairs was given to one charity, with one amount, within ten minutes. "
            "The donors are lost: if the gateway shows one card for both, it may be a gift made "
            "twice by mistake, for people to decide about."
        )
    verdict = "Every captured charge has its donation." if result["complete"] else "Not complete."
    console.print(f"[bold]{verdict}[/bold]")
    tell_aside(console, result["journals_aside"], data_dir, rebuilt=True)
