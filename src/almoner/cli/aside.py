"""Journals that a restore has moved aside: what still waits in them, and how it is brought in."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from rich.console import Console

from almoner.platform.settings import Settings

if TYPE_CHECKING:
    from almoner.platform.db import Database


class JournalAside(Struct, frozen=True):
    """A folder with acknowledged gifts that nobody drains by itself.

    `waiting`: how many of its gifts are not known to the database as taken in, None when that
    could not be asked. `damaged`: segments of which nobody knows how many gifts they hold.
    """

    folder: str
    waiting: int | None
    damaged: int


async def journals_aside(settings: Settings, database: Database) -> list[JournalAside]:
    """Those that are not drained to their end. Raises OSError when one cannot be read."""
    from almoner.bootstrap import Base, make_segments
    from almoner.bootstrap.watching import journal_dir_of
    from almoner.donations.journal_report import report_journal
    from almoner.operations.backup.move_aside import folders_aside

    found = []
    for folder in await asyncio.to_thread(folders_aside, journal_dir_of(settings)):
        journal = msgspec.structs.replace(settings.journal, journal_dir=str(folder))
        base = Base(msgspec.structs.replace(settings, journal=journal))
        report = await report_journal(database, make_segments(base))
        if report.waiting != 0 or report.damaged:
            found.append(JournalAside(str(folder), report.waiting, report.damaged))
    return found


def alarm_of(aside: list[JournalAside]) -> dict[str, str]:
    """The alarm of `almoner status` about them, when there are any."""
    if not aside:
        return {}
    return {"journal_aside": "; ".join(_sentence(one) for one in aside)}


def tell_aside(
    console: Console, aside: list[JournalAside], data_dir: Path | None, *, rebuilt: bool
) -> None:
    """Say what waits, and the commands that bring it in, in the order that charges nobody twice."""
    place = f" --data-dir {shlex.quote(str(data_dir))}" if data_dir else ""
    for one in aside:
        console.print("[bold red]WAITING[/bold red]  ", end="")
        console.print(_sentence(one), markup=False)
        first = "" if rebuilt else f"  almoner rebuild-from-gateway{place}\n"
        console.print(
            "Bring them in soon, before you let donors in again, in this order:\n"
            f"{first}"
            f"  ALMONER_JOURNAL_DIR={shlex.quote(one.folder)} almoner journal drain{place}",
            markup=False,
        )


def _sentence(one: JournalAside) -> str:
    count = "an unknown number of" if one.waiting is None else str(one.waiting)
    damaged = f", and {one.damaged} segments cannot be read to their end" if one.damaged else ""
    return f"{count} gifts that were acknowledged to their donors wait in {one.folder}{damaged}"
