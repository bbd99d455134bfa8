"""`almoner charities`: fill the catalogue and look at it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec
import typer
from psycopg.errors import UndefinedTable
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from almoner.charities.errors import ImportRunning
from almoner.charities.import_register import (
    BadRow,
    ImportSummary,
    RegisterFile,
    import_register,
    recognise,
)
from almoner.charities.list import list_charities
from almoner.charities.registers import NotThisFormat
from almoner.charities.schemas import Filters
from almoner.charities.search import search_charities
from almoner.charities.seed_demo import seed_demo
from almoner.charities.shared_copies import catalogue_changed
from almoner.cli.data_dir import DataDirOption, installation, settings_for
from almoner.platform.cache import open_cache
from almoner.platform.db import Database, DatabaseAway
from almoner.platform.settings import Settings

Result = TypeVar("Result")

app = typer.Typer(no_args_is_help=True, help="Fill the catalogue of charities and look at it.")

BAD_ROWS_SHOWN = 20
EXIT_AWAY = 1
EXIT_NOT_THE_FORMAT = 2
LINE_PAUSE_S = 5.0


class Register(StrEnum):
    """Which register a file is said to be of."""

    AUTO = "auto"
    IRS = "irs"
    UK = "uk"


JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object for scripts.")]


@app.command("import")
def import_files(
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE...")
    ],
    register: Annotated[Register, typer.Option(help="Kind of the files; auto looks.")] = (
        Register.AUTO
    ),
    data_dir: DataDirOption = None,
    as_json: JsonFlag = False,
    report: Annotated[
        Path | None, typer.Option(help="Write every bad row here, one JSON object a line.")
    ] = None,
) -> None:
    """Import charities from public registers.

    Takes the IRS Exempt Organizations Business Master File (eo1.csv ...), the UK register as one
    CSV, the Charity Commission's own extract and the register of Northern Ireland. The same file
    again changes nothing. Rows that cannot be used are reported while the rest go in.

    Exit codes: 0 all usable rows are in, also when bad ones were reported; 1 the database could
    not be used, or another import is running; 2 a file is not one of these, nothing was written.
    """
    recognised = _recognised(files, register)
    bad_rows: list[BadRow] = []
    with _settings(data_dir) as settings, _report_file(report) as write_bad:

        def report_bad(bad: BadRow) -> None:
            if len(bad_rows) < BAD_ROWS_SHOWN:
                bad_rows.append(bad)
            write_bad(bad)

        started = time.monotonic()
        with _progress(recognised, quiet=as_json) as progress:
            summary = _run(_import(settings, recognised, progress, report_bad))
        seconds = time.monotonic() - started
    if as_json:
        _print_json({
            **msgspec.to_builtins(summary),
            "seconds": round(seconds, 3),
            "bad_rows": msgspec.to_builtins(bad_rows),
        })  # fmt: skip
    else:
        _show(summary, bad_rows, seconds, report)


@app.command()
def demo(
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="Do nothing when there is any charity.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Put in some forty well-known charities, in English and Chinese."""

    async def run(settings: Settings) -> int:
        async with _database(settings) as database:
            written = await seed_demo(database, if_empty=if_empty)
        await _tell(settings)
        return written

    with _settings(data_dir) as settings:
        written = _run(run(settings))
    if as_json:
        _print_json({"written": written})
    else:
        Console().print(f"{written} charities written.")


@app.command("list")
def list_some(
    q: Annotated[str, typer.Option("--q", help="Words to search for.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    data_dir: DataDirOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List or search charities, as donors find them.

    Exit codes: 0 shown, 1 the database could not be used, 3 there is no installation.
    """

    async def run(settings: Settings) -> list[dict[str, Any]]:
        async with _database(settings) as database:
            verb = search_charities if q else list_charities
            rows, _ = await verb(database, Filters(q=q), None, limit)
            return rows

    with installation(settings_for(data_dir)) as settings:
        rows = _run(run(settings))
    keys = ("charity_id", "slug", "name", "category", "country")
    if as_json:
        _print_json({"items": [{key: row[key] for key in keys} for row in rows]})
        return
    for row in rows:
        typer.echo("{charity_id:>9}  {country}  {category:<13} {name}".format(**row))


async def _import(
    settings: Settings, files: list[RegisterFile], progress: Any, report_bad: Any
) -> ImportSummary:
    async with _database(settings) as database:
        summary = await import_register(database, files, progress=progress, report_bad=report_bad)
    await _tell(settings)
    return summary


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.servers.database_url, size=1)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def _tell(settings: Settings) -> None:
    if settings.servers.redis_url:
        cache = open_cache(settings.servers.redis_url)
        await catalogue_changed(cache)
        await cache.aclose()


@contextmanager
def _settings(data_dir: Path | None) -> Iterator[Settings]:
    """The settings, with servers running for as long as the command needs them.

    A private database is brought up to date, so that charities can be imported before the first
    `serve`; a database of the operator's is left to `almoner migrate`.
    """
    from almoner.migrations.run import upgrade
    from almoner.platform.embedded.servers import servers

    given = settings_for(data_dir)
    with servers(given) as settings:
        if not given.servers.database_url:
            upgrade(settings.servers.database_url)
        yield settings


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`; what an operator can mend ends the command with a sentence."""
    try:
        return asyncio.run(work)
    except (ImportRunning, DatabaseAway) as error:
        _fail(str(error), EXIT_AWAY)
    except UndefinedTable:
        _fail("This database has no tables yet. Run `almoner migrate` first.", EXIT_AWAY)


def _recognised(files: list[Path], register: Register) -> list[RegisterFile]:
    try:
        return [recognise(path, register.value) for path in files]
    except (NotThisFormat, OSError) as error:
        _fail(str(error), EXIT_NOT_THE_FORMAT)


@contextmanager
def _report_file(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield lambda _bad: None
        return
    with path.open("wb") as file:
        yield lambda bad: file.write(msgspec.json.encode(bad) + b"\n")


@contextmanager
def _progress(files: list[RegisterFile], *, quiet: bool) -> Iterator[Any]:
    """A bar on a terminal, a line every few seconds elsewhere, nothing when quiet."""
    total = sum(file.path.stat().st_size for file in files)
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield _quiet if quiet else _Lines(total)
        return
    columns = (
        TextColumn("Importing"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,}/s"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("import", total=total, rows=0, rate=0)
        started = time.monotonic()

        def update(summary: ImportSummary, bytes_read: int) -> None:
            rate = int(summary.read / max(time.monotonic() - started, 0.001))
            bar.update(task, completed=bytes_read, rows=summary.read, rate=rate)

        yield update


def _quiet(_summary: ImportSummary, _bytes_read: int) -> None:
    pass


class _Lines:
    """Progress where there is no terminal."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._started = self._said_at = time.monotonic()

    def __call__(self, summary: ImportSummary, bytes_read: int) -> None:
        now = time.monotonic()
        if now - self._said_at >= LINE_PAUSE_S:
            self._said_at = now
            share = 100 * bytes_read // max(self._total, 1)
            rate = int(summary.read / (now - self._started))
            typer.echo(f"{share} %: {summary.read:,} rows, {rate:,}/s", err=True)


def _show(
    summary: ImportSummary, bad_rows: list[BadRow], seconds: float, report: Path | None
) -> None:
    rate = int(summary.read / max(seconds, 0.001))
    typer.echo(f"{summary.read:,} rows read in {seconds:.1f} s ({rate:,}/s)")
    for name in ("added", "changed", "unchanged", "closed"):
        typer.echo(f"{getattr(summary, name):>11,} {name}")
    for reason, count in sorted(summary.skipped.items()):
        typer.echo(f"{count:>11,} skipped: {reason.replace('_', ' ')}")
    typer.echo(f"{summary.bad:>11,} bad")
    for bad in bad_rows:
        typer.echo(f"{bad.file}:{bad.line}: {bad.reason}", err=True)
    more = summary.bad - len(bad_rows)
    if more > 0:
        where = f"all are in {report}" if report else "--report FILE writes them all"
        typer.echo(f"... and {more:,} more; {where}", err=True)


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
