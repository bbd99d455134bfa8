"""`almoner journal`: gifts that were kept while the database was away."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from almoner.cli.data_dir import DataDirOption, installation, settings_for
from almoner.platform.logging import configure_logging
from almoner.platform.restored import WHAT_TO_DO, awaits_rebuild
from almoner.platform.settings import Settings

if TYPE_CHECKING:
    from almoner.bootstrap import Web

LEFT = 1
NOT_YET = 2
COULD_NOT_ASK = 3

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(help="Gifts kept while the database was away.", no_args_is_help=True)


@app.callback()
def journal() -> None:
    """The journal: gifts that were kept while the database was away."""


@app.command()
def status(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Show the segments of the journal: records, how many of them are drained, damage.

    Only reads, and works beside running web processes. Exit codes: 0 nothing is damaged, 1
    something is, 3 the folder could not be read.
    """
    from almoner.bootstrap import Base, make_segments
    from almoner.donations.journal_report import JournalReport, report_journal

    async def look(settings: Settings) -> JournalReport:
        base = Base(settings)
        await base.open()
        try:
            return await report_journal(base.database, make_segments(base))
        finally:
            await base.close()

    configure_logging("error", "auto")
    with installation(_with_folder(settings_for(data_dir))) as settings:
        try:
            found = asyncio.run(look(settings))
        except OSError as error:
            typer.echo(f"The journal could not be read: {error.strerror}", err=True)
            raise typer.Exit(COULD_NOT_ASK) from None
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        _print(found)
    if found.damaged:
        raise typer.Exit(LEFT)


@app.command()
def drain(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Bring kept gifts into the database and charge them, as a web process does by itself.

    Takes the segments that no living process holds; those of running web processes are theirs.
    Exit codes: 0 nothing is left, 1 something is (a segment is held or damaged), 2 the database
    was restored and not rebuilt from the gateway, so nothing was drained, 3 the database could not
    be asked.
    """
    _end(_run(data_dir, as_json=as_json, copies=False, put_aside=False), as_json=as_json)


@app.command()
def recover(
    data_dir: DataDirOption = None,
    put_aside: Annotated[
        bool,
        typer.Option(
            "--put-aside",
            help="Afterwards rename damaged segments to `.damaged`, so that nobody reads them.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Drain what Valkey holds of segments that are lost or damaged, and all the rest.

    Needs ALMONER_JOURNAL_COPIES=2 to have been set when the gifts were kept. A record is drained
    once, however often and wherever it is read. Exit codes as for `drain`.
    """
    _end(_run(data_dir, as_json=as_json, copies=True, put_aside=put_aside), as_json=as_json)


def _run(data_dir: Path | None, *, as_json: bool, copies: bool, put_aside: bool) -> dict[str, Any]:
    configure_logging("error", "auto")
    with installation(_with_folder(settings_for(data_dir))) as settings:
        if asyncio.run(_awaits_rebuild(settings)):
            typer.echo(f"Nothing was drained. {WHAT_TO_DO}", err=True)
            raise typer.Exit(NOT_YET)
        return asyncio.run(_drained(settings, quiet=as_json, copies=copies, put_aside=put_aside))


async def _awaits_rebuild(settings: Settings) -> bool:
    """Whether to drain would charge what the gateway may have charged; false while it is away."""
    from almoner.platform.db import Database, DatabaseAway

    database = Database(settings.servers.database_url, size=1)
    await database.open()
    try:
        return await awaits_rebuild(database)
    except DatabaseAway:
        return False
    finally:
        await database.close()


async def _drained(
    settings: Settings, *, quiet: bool, copies: bool, put_aside: bool
) -> dict[str, Any]:
    from almoner.bootstrap import Web
    from almoner.donations.journal_report import report_journal

    web = Web(settings)
    if web.draining is None or web.kept.segments is None:
        raise RuntimeError("a journal's folder was set")
    await web.open()
    try:
        recovered = await _add_copies(web) if copies else 0
        reached = await _until_finished(web, quiet=quiet)
        aside = await web.draining.drain.put_aside_damaged() if put_aside else []
        left = await report_journal(web.database, web.kept.segments)
    finally:
        await web.close()
    segments = [s for s in left.segments if s.records not in {0, s.drained} or s.state == "damaged"]
    return {
        "database": "ok" if reached else "away",
        "copies_read": recovered,
        "put_aside": aside,
        "left": segments,
    }


async def _until_finished(web: Web, *, quiet: bool) -> bool:
    """Wait for the drain; false when the database is away."""
    drain = web.draining.drain if web.draining else None
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True, disable=quiet,
    ) as progress:  # fmt: skip
        task = progress.add_task("draining", total=None)
        while drain is not None and not drain.finished:
            if web.kept.keeping.away:
                return False
            progress.update(task, description=f"{drain.waiting} kept gifts are waiting")
            await asyncio.sleep(0.05)
    return True


async def _add_copies(web: Web) -> int:
    """Hand the drain what Valkey holds of segments whose file is not whole; gives how much."""
    from almoner.platform.journal.copies import ValkeyCopies
    from almoner.platform.journal.frames import lone_record
    from almoner.platform.journal.orphans import read_segment

    if web.cache is None or web.draining is None or web.kept.segments is None:
        return 0
    files, store, count = web.kept.segments.files, ValkeyCopies(web.cache), 0
    contents = [read_segment(await files.read(name)) for name in await files.names()]
    whole = {c.segment_id for c in contents if c.tail == "whole"}
    for segment_id in await store.segments():
        if segment_id in whole:
            continue
        records = [r for frame in await store.read(segment_id) if (r := lone_record(frame))]
        web.draining.drain.add_copies(segment_id, records)
        count += len(records)
    return count


def _with_folder(settings: Settings) -> Settings:
    """The settings with the folder that `almoner serve` uses, where none is set."""
    if settings.journal.journal_dir:
        return settings
    folder = Path(settings.servers.data_dir).expanduser().resolve() / "journal"
    journal = msgspec.structs.replace(settings.journal, journal_dir=str(folder))
    return msgspec.structs.replace(settings, journal=journal)


def _end(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(result)))
    else:
        for name in result["put_aside"]:
            typer.echo(f"Put aside: {name}.damaged")
        for segment in result["left"]:
            why = "held by a running process" if segment.held else segment.state
            typer.echo(f"Left: {segment.segment}, {segment.records} records, {why}")
        typer.echo("Everything is drained." if not result["left"] else "Something is left.")
    if result["database"] == "away":
        raise typer.Exit(COULD_NOT_ASK)
    if result["left"]:
        raise typer.Exit(LEFT)


def _print(report: Any) -> None:
    console = Console(highlight=False)
    table = Table("segment", "process", "records", "drained", "bytes", "state")
    for s in report.segments:
        drained = "?" if s.drained is None else str(s.drained)
        process = "running" if s.held else "ended"
        table.add_row(s.segment, process, str(s.records), drained, str(s.bytes), s.state)
    if report.segments:
        console.print(table)
    console.print(f"{len(report.segments)} segments, {report.damaged} damaged")
