"""`almoner status`: everything an operator asks at night, in one screen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from almoner.cli.aside import alarm_of, journals_aside, tell_aside
from almoner.cli.data_dir import DataDirOption, installation, settings_for
from almoner.platform.errors import Unavailable
from almoner.platform.logging import configure_logging
from almoner.platform.restored import WHAT_TO_DO, awaits_rebuild
from almoner.platform.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from almoner.donations.journal_report import JournalReport
    from almoner.platform.db import Database

ALARMED = 1
COULD_NOT_LOOK = 3


def status(
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how everything fares: alarms, findings, charges under way, queues, loops, the database.

    Exit codes: 0 no alarm is on, 1 an alarm is on (it says why), 3 the database could not be asked.
    It only reads, and is quick also with millions of gifts. docs/howto/watch.md says what to do
    about each alarm.
    """
    configure_logging("error", "auto")
    try:
        with installation(settings_for(data_dir)) as settings:
            found = asyncio.run(_status(settings))
    except Unavailable as error:
        typer.echo(f"Nothing can be said: {error}", err=True)
        raise typer.Exit(COULD_NOT_LOOK) from None
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        _print(found, data_dir)
    if found["alarms"]:
        raise typer.Exit(ALARMED)


async def _status(settings: Settings) -> dict[str, Any]:
    from msgspec import structs

    from almoner import __version__
    from almoner.bootstrap.watching import limits_of, make_watch
    from almoner.operations.monitor.alarms import is_late, raised
    from almoner.operations.monitor.gauges import queues
    from almoner.operations.monitor.read import read

    database, _ = make_watch(settings, loud=False)
    limits = limits_of(settings)
    await database.open()
    try:
        now = await read(database, gifts_minutes=limits.quiet_minutes or 60)
        journal = await _journal(settings, database)
        aside = await journals_aside(settings, database)
        marked = await awaits_rebuild(database)
    finally:
        await database.close()
    alarms = raised(now, limits) | alarm_of(aside)
    if marked:
        alarms["awaits_rebuild"] = WHAT_TO_DO
    return {
        "well": not alarms,
        "version": __version__,
        "alarms": alarms,
        **structs.asdict(now),
        "queues": queues(now),
        "journal": journal,
        "journals_aside": aside,
        "loops": [{**structs.asdict(beat), "late": is_late(beat)} for beat in now.beats],
    }


async def _journal(settings: Settings, database: Database) -> JournalReport | None:
    """What the journal's folder on this machine holds; None when there is none."""
    import msgspec

    from almoner.bootstrap import Base, make_segments
    from almoner.bootstrap.watching import journal_dir_of
    from almoner.donations.journal_report import report_journal

    folder = journal_dir_of(settings)
    journal = msgspec.structs.replace(settings.journal, journal_dir=str(folder))
    if not await asyncio.to_thread(folder.is_dir):
        return None
    base = Base(msgspec.structs.replace(settings, journal=journal))
    return await report_journal(database, make_segments(base))


def _print(found: dict[str, Any], data_dir: Path | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if found["well"]:
        console.print("[bold green]All is well.[/bold green]")
    for name, why in found["alarms"].items():
        console.print(f"[bold red]ALARM[/bold red]  {name}: ", end="")
        console.print(why, markup=False)
    _section(console, "invariants", _looks(found))
    _section(console, "gifts", [
        f"{_count(found['gifts'])} in the last {found['gifts_minutes']} min",
        "in 5 min: " + (_joined(found["moves"]) or "no charge has moved"),
    ])  # fmt: skip
    _section(console, "under way", [
        f"{_count(waiting.count)} {state}, the oldest for {_span(waiting.oldest_s)}"
        for state, waiting in found["attempts"].items()
    ] or ["nothing"])  # fmt: skip
    _section(console, "queues", [
        f"{_count(waiting.count)} {name}"
        + (f", the oldest for {_span(waiting.oldest_s)}" if waiting.count else "")
        for name, waiting in found["queues"].items()
    ])  # fmt: skip
    if found["journal"] is not None:
        kept = found["journal"]
        waiting = "?" if kept.waiting is None else str(kept.waiting)
        _section(console, "journal", [
            f"{waiting} kept gifts wait, in {len(kept.segments)} segments, {kept.damaged} damaged"
        ])  # fmt: skip
    _section(console, "loops", [
        f"{beat['loop']}: {'LATE, ' if beat['late'] else ''}began {_span(beat['began_age_s'])} ago"
        + (f", failed {beat['failures_in_a_row']} times" if beat["failures_in_a_row"] else "")
        for beat in found["loops"]
    ] or ["no worker has ever said that it runs"])  # fmt: skip
    size = f"{found['database_bytes'] / 2**20:.0f} MiB"
    up, skew = _span(found["database_up_s"]), f"{found['skew_ms'] / 1000:+.2f} s"
    version = found["server_version"]
    _section(console, "database", [f"PostgreSQL {version}, up for {up}, {size}, clock {skew}"])
    tell_aside(console, found["journals_aside"], data_dir, rebuilt=False)


def _looks(found: dict[str, Any]) -> list[str]:
    lines = [
        f"{kind}: looked {_span((found['at_ms'] - run.started_ms) / 1000)} ago, {run.checks} checks"
        + (f", could not make {', '.join(run.failed)}" if run.failed else "")
        for kind, run in found["runs"].items()
    ] or ["nobody has looked yet; `almoner check` does it by hand"]
    return lines + [
        f"BROKEN {finding.number} {finding.check}: {finding.breaches} times, such as "
        + ", ".join(finding.examples)
        for finding in found["findings"]
    ]


def _section(console: Console, name: str, lines: list[str]) -> None:
    for number, line in enumerate(lines):
        console.print(f"  {'' if number else name:<12}", end="")
        console.print(line, markup=False)


def _count(count: int) -> str:
    from almoner.operations.monitor.readings import COUNT_MAX

    return f"more than {COUNT_MAX}" if count > COUNT_MAX else str(count)


def _joined(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _span(seconds: float) -> str:
    """A length of time in the largest unit that leaves a number above one."""
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{max(seconds, 0):.0f} s"
