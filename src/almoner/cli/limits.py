"""`almoner limits`: how carefully each charity's gifts are taken just now."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console

from almoner.cli.data_dir import DataDirOption, installation, settings_for
from almoner.platform.logging import configure_logging
from almoner.platform.settings import Settings

COULD_NOT_LOOK = 3

app = typer.Typer(help="Limits, and charities on guard against card testing.", no_args_is_help=True)


@app.callback()
def limits() -> None:
    """Limits, and the charities whose gifts are taken with care because many are declined."""


@app.command("show")
def show(
    charity: Annotated[int | None, typer.Option(help="Only this charity.")] = None,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the limits in force, and each charity that had outcomes within the last ten minutes.

    The limits are those of the `serve` that runs on the same data; beside processes that were
    started one by one, those that the settings of this command make.

    The level is normal, challenge, strict or paused. It is kept in Valkey; while that is away each
    web process goes by what it sees itself, which is not shown. Exit code 3: Valkey is away.
    """
    import msgspec

    configure_logging("error", "auto")
    with installation(settings_for(data_dir)) as settings:
        found = _or_exit(_show(settings, charity))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)))
        return
    console = Console(highlight=False, soft_wrap=True)
    for rule in found["rules"]:
        console.print(
            f"{rule['name']:<16} {rule['count']:>8} in {rule['window_s']} s", markup=False
        )
    for row in found["charities"]:
        console.print(
            f"charity {row['charity_id']:<8} {row['level']:<9} "
            f"{row['declined']} declined, {row['paid']} paid"
        )
    console.print(f"Limits: {found['limits']}. {len(found['charities'])} charities with outcomes.")


@app.command("reset")
def reset(
    charity: Annotated[int, typer.Option(help="The charity.")],
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Forget the outcomes of a charity, so that its gifts are taken as usual again.

    Web processes know within a second. If cards are still being tried it is soon on guard again.
    Exit code 3: Valkey is away.
    """
    import msgspec

    configure_logging("error", "auto")
    with installation(settings_for(data_dir)) as settings:
        known = _or_exit(_reset(settings, charity))
    if as_json:
        typer.echo(msgspec.json.encode({"charity_id": charity, "known": known}))
    else:
        typer.echo("Reset." if known else "Nothing was known of this charity.")


def _or_exit(work: Any) -> Any:
    from almoner.platform.cache import CACHE_AWAY

    try:
        return asyncio.run(work)
    except CACHE_AWAY as error:
        typer.echo(f"Valkey could not be asked: {type(error).__name__}", err=True)
        raise typer.Exit(COULD_NOT_LOOK) from None


async def _show(settings: Settings, charity: int | None) -> dict[str, Any]:
    from msgspec import structs

    from almoner.bootstrap import limits_of, shared_levels

    limits = limits_of(settings)
    async with shared_levels(settings) as levels:
        ids = [charity] if charity is not None else sorted([c async for c in levels.charities()])
        readings = await levels.add(dict.fromkeys(ids, (0, 0))) if ids else {}
    rules = (*limits.address, *limits.neighbourhood, limits.email, limits.card, limits.charity)
    return {
        "limits": limits.name,
        "rules": [structs.asdict(rule) for rule in rules],
        "charities": [
            {
                "charity_id": charity_id,
                "level": reading.level.name.lower(),
                "paid": reading.paid,
                "declined": reading.declined,
            }
            for charity_id, reading in readings.items()
        ],
    }


async def _reset(settings: Settings, charity: int) -> bool:
    from almoner.bootstrap import shared_levels

    async with shared_levels(settings) as levels:
        return await levels.reset(charity)
