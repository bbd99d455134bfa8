"""`almoner sandbox`: what the sandbox gateway truly did, and what it shall do next."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console

from almoner.cli.data_dir import DataDirOption, installation, settings_for
from almoner.platform.errors import Unavailable
from almoner.platform.logging import configure_logging
from almoner.platform.settings import Settings, SettingsError

if TYPE_CHECKING:
    from almoner.bootstrap.sandbox import SandboxTools

T = TypeVar("T")

FAILED = 1
WRONG_OPTION = 2
COULD_NOT_LOOK = 3

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(help="The sandbox gateway.", no_args_is_help=True)


@app.callback()
def sandbox() -> None:
    """The sandbox gateway: its own record of charges, kept apart from Almoner's books."""


@app.command()
def charges(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Show what the sandbox truly charged, from its own record.

    `order_id` is the payment attempt's id. `captured` is false for what was declined, given back,
    or failed to settle; `state` says which. Compare with `almoner check`, which matches both
    records to the last cent.
    """

    async def look(tools: SandboxTools, _: Settings) -> dict[str, Any]:
        rows = [
            {
                "order_id": charge.order_id,
                "transaction_id": charge.gateway_transaction_id,
                "amount": charge.money.decimal_text(),
                "currency": charge.money.currency,
                "captured": charge.captured,
                "state": state,
                "charged_ms": charge.charged_ms,
            }
            async for charge, state in tools.charges()
        ]
        rows.sort(key=itemgetter("transaction_id"))
        states = Counter(row["state"] for row in rows)
        return {
            "captured": sum(1 for row in rows if row["captured"]),
            "declined": states["declined"],
            "states": dict(sorted(states.items())),
            "charges": rows,
        }

    found = _ask(data_dir, look)
    if as_json:
        _print_json(found)
        return
    console = Console(highlight=False)
    for charge in found["charges"]:
        console.print(
            f"{charge['transaction_id']}  {charge['amount']:>12} {charge['currency']}  "
            f"{charge['state']:<17}  {charge['order_id']}"
        )
    states = ", ".join(f"{count} {state}" for state, count in found["states"].items())
    console.print(f"{found['captured']} captured ({states or 'nothing was charged'})")


@app.command()
def settle(
    data_dir: DataDirOption = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the settlement report of this batch here, as CSV.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Close the batch: settle what was captured, and pay it out less the fees.

    One payout for each currency. The fee is 2.9 % of each charge, rounded half up, and 30 of the
    smallest unit. Charges that were told to fail do so now. The report has a line for each
    charge: payout_id, paid_at, order_id, transaction_id, currency, amount_minor, fee_minor.
    """

    async def close(tools: SandboxTools, _: Settings) -> list[dict[str, Any]]:
        return await tools.settle(report)

    try:
        paid = _ask(data_dir, close)
    except OSError as error:
        typer.echo(f"Settled, but the report could not be written: {error}", err=True)
        raise typer.Exit(FAILED) from None
    if as_json:
        _print_json({"payouts": paid})
        return
    console = Console(highlight=False)
    for payout in paid:
        console.print(
            f"{payout['payout_id']}  {payout['charges']} charges  "
            f"{payout['gross']} - {payout['fees']} fees = {payout['net']} {payout['currency']}"
        )
    if not paid:
        console.print("There was nothing to settle.")


@app.command()
def dispute(
    transaction: Annotated[str, typer.Argument(help="The transaction id, such as sb00000001.")],
    data_dir: DataDirOption = None,
    won: Annotated[bool, typer.Option("--won", help="End the dispute: the money stays.")] = False,
    lost: Annotated[bool, typer.Option("--lost", help="End the dispute: it is gone.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Open a dispute of a settled charge, or end one with --won or --lost.

    A webhook tells of it. Exit code 1 when the charge is not where that step begins.
    """
    if won and lost:
        raise _wrong("A dispute is won or lost, not both.")

    async def take(tools: SandboxTools, _: Settings) -> dict[str, Any]:
        return await tools.dispute(transaction, "won" if won else "lost" if lost else "opened")

    done = _ask(data_dir, take)
    if as_json:
        _print_json(done)
    else:
        typer.echo(f"{done['transaction_id']}: dispute {done['step']}")


@app.command()
def fault(
    kind: Annotated[
        str | None, typer.Argument(help="What goes wrong; `almoner sandbox faults` lists all.")
    ] = None,
    *,
    data_dir: DataDirOption = None,
    times: Annotated[int | None, typer.Option(min=1, help="So often, then no more.")] = None,
    probability: Annotated[
        float | None, typer.Option(min=0, max=1, help="By chance, until it is cleared.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the dice.")] = 0,
    operation: Annotated[
        str | None, typer.Option(help="What it strikes: charge, look_up, reverse or webhook.")
    ] = None,
    delay_ms: Annotated[int | None, typer.Option(min=0, help="How long it takes.")] = None,
    amount: Annotated[str | None, typer.Option(help="Only charges of this amount.")] = None,
    currency: Annotated[str, typer.Option(help="The currency of --amount.")] = "USD",
    order: Annotated[str | None, typer.Option(help="Only this order id.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take it back; else all.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell the sandbox what to do wrong, in every process within a fifth of a second.

    Without --times and --probability it happens every time until it is cleared. Exit code 1 when a
    fault that is named with --clear is not set. docs/reference/sandbox.md says what each kind does
    and which nonce brings it about for a single gift.
    """
    if kind is None and not clear:
        raise _wrong("Name a fault, or take all back with --clear.")
    changed = {
        "times_left": times,
        "probability": probability,
        "seed": seed,
        "delay_ms": delay_ms,
        "order_id": order,
    }

    async def change(tools: SandboxTools, _: Settings) -> dict[str, Any]:
        if clear:
            return {"cleared": await tools.clear_faults(kind)}
        amount_minor = tools.amount_minor(amount, currency)
        return await tools.set_fault(kind or "", operation, amount_minor=amount_minor, **changed)

    done = _ask(data_dir, change)
    if as_json:
        _print_json(done)
    elif not clear:
        typer.echo(f"{done['kind']} is set for {done['operation']}")
    elif done["cleared"]:
        typer.echo(f"{done['cleared']} taken back")
    else:
        typer.echo(f"Nothing was taken back: {f'{kind} is not' if kind else 'no fault is'} set.")
    if clear and kind is not None and not done["cleared"]:
        raise typer.Exit(FAILED)


@app.command()
def faults(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the faults that are set, how often each struck, and the kinds there are.

    Faults by chance of ALMONER_SANDBOX_FAULTS are listed with id 0; each process counts them for
    itself. Those that struck as often as they should are listed with nothing left.
    """

    async def look(tools: SandboxTools, _: Settings) -> dict[str, Any]:
        return await tools.faults()

    found = _ask(data_dir, look)
    if as_json:
        _print_json(found)
        return
    console = Console(highlight=False, soft_wrap=True)
    for one in found["faults"]:
        details = ", ".join(
            f"{name} {one[name]}"
            for name in ("times_left", "probability", "delay_ms", "amount_minor", "order_id")
            if one[name] is not None
        )
        console.print(
            f"{one['fault_id']:>4}  {one['kind']} of {one['operation']}  "
            f"{details or 'always'}  struck {one['happened']}"
        )
    if not found["faults"]:
        console.print("No fault is set.")
    console.print("Kinds:")
    for kind, operations in found["kinds"].items():
        console.print(f"  {kind}: {', '.join(operations)}")


def _ask(data_dir: Path | None, work: Callable[[SandboxTools, Settings], Awaitable[T]]) -> T:
    """Do some work on the sandbox's record; what is wrong is said in one sentence."""
    from almoner.bootstrap.sandbox import CannotDo, SandboxTools

    configure_logging("error", "auto")

    async def run(settings: Settings) -> T:
        tools = SandboxTools(settings)
        await tools.open()
        try:
            return await work(tools, settings)
        finally:
            await tools.close()

    try:
        with installation(settings_for(data_dir)) as settings:
            return asyncio.run(run(settings))
    except SettingsError as error:
        raise _wrong(str(error)) from None
    except CannotDo as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None
    except Unavailable as error:
        typer.echo(f"The record could not be reached: {error}", err=True)
        raise typer.Exit(COULD_NOT_LOOK) from None


def _wrong(sentence: str) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(WRONG_OPTION)


def _print_json(found: object) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(found)))
