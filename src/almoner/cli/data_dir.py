"""The data directory that a command works on, and the installation that must be there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from almoner.platform.db import Database, DatabaseAway
from almoner.platform.embedded.servers import servers
from almoner.platform.schema import REVISION, revision_of
from almoner.platform.settings import Settings

NO_INSTALLATION = 3
"""Exit code: there is no installation of this program, so nothing is known and nothing was done."""

_SCHEMA_WAIT_MS = 2_000

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder that `almoner serve` keeps its data in (else ALMONER_DATA_DIR, .almoner).",
    ),
]


def settings_for(data_dir: Path | None) -> Settings:
    """The settings of the environment, with this data directory if one is given."""
    settings = Settings.from_environment()
    if data_dir is None:
        return settings
    servers = msgspec.structs.replace(settings.servers, data_dir=str(data_dir))
    return msgspec.structs.replace(settings, servers=servers)


@contextmanager
def installation(settings: Settings, *, any_schema: bool = False) -> Iterator[Settings]:
    """`servers`, for a command that works on an installation and never makes one.

    Ends the command with 3 and a sentence where there is none, or one with another schema; with
    `any_schema` an older or newer one will do. A database that is away is left to the command.
    """
    _demand_there(settings)
    with servers(settings) as filled:
        _demand_schema(filled, any_schema=any_schema)
        yield filled


def _demand_there(settings: Settings) -> None:
    """In a wrong folder everything would be made anew, with a key that fits nothing."""
    path = Path(settings.servers.data_dir).expanduser().resolve()
    if not settings.servers.database_url and _is_missing(path / "postgres"):
        raise _ended(
            f"There is no installation in {path}, and none was made. Run this where `almoner "
            "serve` runs, or name its data directory with --data-dir or ALMONER_DATA_DIR."
        )
    if not settings.secrets.secret_key and _is_missing(path / "secret-key"):
        raise _ended(
            f"There is no secret key in {path}, and none was made. Name the data directory that "
            "holds it with --data-dir or ALMONER_DATA_DIR, or set ALMONER_SECRET_KEY."
        )


def _is_missing(path: Path) -> bool:
    """Whether it is surely not there; what may not be looked at is told by whoever opens it."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _demand_schema(settings: Settings, *, any_schema: bool) -> None:
    try:
        found = asyncio.run(_revision(settings.servers.database_url))
    except DatabaseAway:
        return
    if found is None or (found != REVISION and not any_schema):
        raise _ended(
            f"The schema is at {found or 'nothing'}, this program needs {REVISION}: run `almoner "
            "migrate`."
        )


async def _revision(database_url: str) -> str | None:
    database = Database(database_url, size=1, wait_ms=_SCHEMA_WAIT_MS)
    await database.open()
    try:
        return await revision_of(database)
    finally:
        await database.close()


def _ended(sentence: str) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(NO_INSTALLATION)
