"""`almoner serve`: everything in one command."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from almoner.platform.db import Database
from almoner.platform.embedded.errors import (
    AwaitsRebuild,
    DataDirInUse,
    DataDirUnusable,
    EmbeddedError,
    WrongMajorVersion,
)
from almoner.platform.embedded.listening import PortTaken
from almoner.platform.embedded.supervisor import Commands, Ready, Supervisor
from almoner.platform.logging import configure_logging
from almoner.platform.restored import WHAT_TO_DO, awaits_rebuild
from almoner.platform.settings import Settings, SettingsError

STOPPED = 0
FAILED = 1
CANNOT_START_LIKE_THIS = 2

# What the person who typed the command can put right by typing another.
_PUT_RIGHT = (
    AwaitsRebuild,
    DataDirInUse,
    DataDirUnusable,
    PortTaken,
    SettingsError,
    WrongMajorVersion,
)


def serve(
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on: 0.0.0.0 for every one of this machine."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one and prints it."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of the database and the secret key; made when missing."),
    ] = None,
    web_processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="Number of web processes.")
    ] = None,
) -> None:
    """Run Almoner: database, cache, web and worker, until Ctrl-C.

    Starts a private PostgreSQL and Valkey, brings the schema up to date, loads the demo catalogue
    on the first start, and takes gifts through the sandbox gateway. Everything is kept in the data
    directory; the next start goes on from there. Started by root, the two servers run as the
    system user `almoner`, which is made when there is none.

    With ALMONER_DATABASE_URL or ALMONER_REDIS_URL set, that server is used instead of a private
    one. Options not given are taken from ALMONER_HOST, ALMONER_PORT, ALMONER_DATA_DIR and
    ALMONER_WEB_PROCESSES, else 127.0.0.1, 8000, .almoner and 2.

    Ready when GET /readyz answers 200. Ctrl-C or SIGTERM stops everything within 15 s; a second
    Ctrl-C hurries. Exit codes: 0 stopped, 1 failed, 2 cannot start like this (the port is taken,
    the data directory is in use or of another version, a setting is wrong, or the database was
    restored and not rebuilt).
    """
    try:
        settings = _overridden(Settings.from_environment(), host, port, data_dir, web_processes)
        configure_logging(settings.logging.log_level, settings.logging.log_format)
        _check_faults(settings)
        Supervisor(settings, _commands(), migrate=_migrate, on_ready=_greet).run()
    except _PUT_RIGHT as error:
        raise _ended(error, CANNOT_START_LIKE_THIS) from error
    except EmbeddedError as error:
        raise _ended(error, FAILED) from error


def _overridden(
    settings: Settings,
    host: str | None,
    port: int | None,
    data_dir: Path | None,
    web_processes: int | None,
) -> Settings:
    """The settings of the environment with the options that were given in their place."""
    servers, web = settings.servers, settings.web
    if data_dir is not None:
        servers = msgspec.structs.replace(servers, data_dir=str(data_dir))
    given = {"host": host, "port": port, "web_processes": web_processes}
    web = msgspec.structs.replace(web, **{k: v for k, v in given.items() if v is not None})
    return msgspec.structs.replace(settings, servers=servers, web=web)


def _check_faults(settings: Settings) -> None:
    """A misspelt fault ends the start, and not every web process after it."""
    if settings.sandbox.sandbox_faults:
        from almoner.bootstrap.gateways import chance_faults

        chance_faults(settings)


def _commands() -> Commands:
    almoner = [sys.executable, "-m", "almoner"]
    return Commands(
        web=lambda fd: [*almoner, "web", "--fd", str(fd)],
        worker=[*almoner, "worker"],
        seed=[*almoner, "charities", "demo", "--if-empty"],
    )


def _migrate(database_url: str) -> None:
    # Here, because Alembic takes longer to import than PostgreSQL to start.
    from almoner.migrations.run import upgrade

    upgrade(database_url)
    if asyncio.run(_awaits_rebuild(database_url)):
        raise AwaitsRebuild(WHAT_TO_DO)


async def _awaits_rebuild(database_url: str) -> bool:
    database = Database(database_url, size=1)
    await database.open()
    try:
        return await awaits_rebuild(database)
    finally:
        await database.close()


def _greet(ready: Ready) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"\nAlmoner is ready at [bold]{ready.url}[/bold]\n", end="\n")
    if ready.settings.gateway.gateway == "sandbox":
        console.print("  test card  4111 1111 1111 1111   12/30   123   (no money moves)")
    console.print("  data       ", end="")
    console.print(str(ready.data_dir), markup=False)
    console.print("  stop       Ctrl-C\n")
    sys.stdout.flush()


def _ended(error: Exception, code: int) -> typer.Exit:
    Console(stderr=True, highlight=False, soft_wrap=True).print(str(error), markup=False)
    return typer.Exit(code)
