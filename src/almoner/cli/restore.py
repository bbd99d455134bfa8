"""`almoner restore`: put a backup in the place of what is not there any more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from almoner.cli.aside import journals_aside, tell_aside
from almoner.cli.data_dir import DataDirOption, settings_for
from almoner.platform.embedded.errors import DataDirInUse
from almoner.platform.embedded.servers import servers
from almoner.platform.errors import Unavailable
from almoner.platform.logging import configure_logging
from almoner.platform.settings import Settings

if TYPE_CHECKING:
    from almoner.cli.aside import JournalAside
    from almoner.operations.backup.manifest import Manifest

BROKEN = 1
WRONG = 2
COULD_NOT_REACH = 3


def restore(
    backup: Annotated[Path, typer.Argument(help="A folder or .tar that `almoner backup` made.")],
    data_dir: DataDirOption = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Move what is there aside, under another name, first."),
    ] = False,
    replace_sandbox: Annotated[
        bool,
        typer.Option(
            "--replace-sandbox",
            help="Also put the sandbox's record back as it was. Otherwise one that is there stays: "
            "a gateway does not forget either.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Restore a backup into an empty data directory or database; migrate it; check everything.

    The backup is verified first, against its manifest, and goes in whole or not at all. Stop
    Almoner before. Nothing is deleted: with --replace the old database gets another name. The
    secret key must be in place, unless it is in the backup: the file `secret-key` of the data
    directory, or ALMONER_SECRET_KEY.

    Gifts made after the backup are not in it. The gateway knows them: until `almoner
    rebuild-from-gateway` has run, nothing is charged and `almoner serve` does not start. Gifts
    that waited in a journal that was moved aside are counted; the output says how they are brought
    in, and in which order.

    Exit codes: 0 restored, and everything holds; 1 it could not be restored (nothing was changed),
    or a check does not hold, and is named; 2 what is there is not empty, or in use, or the key is
    not the right one; 3 the database could not be reached.
    """
    from almoner.operations.backup.archive import unpacked
    from almoner.operations.backup.errors import BackupError, CannotLikeThis

    configure_logging("error", "auto")
    settings = settings_for(data_dir)
    backup = backup.expanduser().absolute()
    try:
        with unpacked(backup, beside=backup.parent) as folder:
            result = _restore(settings, folder, replace=replace, replace_sandbox=replace_sandbox)
    except (CannotLikeThis, DataDirInUse) as error:
        raise _ended(error, WRONG) from None
    except (BackupError, OSError) as error:
        raise _ended(error, BROKEN) from None
    except Unavailable as error:
        raise _ended(error, COULD_NOT_REACH) from None
    _tell(result, data_dir, as_json=as_json)
    if not result["holds"]:
        raise typer.Exit(BROKEN)


def _restore(
    settings: Settings, folder: Path, *, replace: bool, replace_sandbox: bool
) -> dict[str, Any]:
    from almoner.migrations.run import upgrade
    from almoner.operations.backup import manifest as manifests

    manifest = manifests.verify(folder)
    _demand_nobody_serves(settings)
    _bring_secret_key(settings, folder, manifest)
    with servers(settings) as filled:
        moved = asyncio.run(_move_aside(filled, replace=replace, replace_sandbox=replace_sandbox))
        sandbox_restored = asyncio.run(_put_back(filled, folder, manifest))
        before, after = upgrade(filled.servers.database_url)
        findings, aside = asyncio.run(_check(filled))
    return {
        "manifest": manifest,
        "moved_aside": moved,
        "journals_aside": aside,
        "sandbox_restored": sandbox_restored,
        "schema": {"before": before, "after": after},
        "checks": findings,
        "holds": all(finding.holds for finding in findings),
    }


def _demand_nobody_serves(settings: Settings) -> None:
    """A `serve` on the same data would go on writing into what is about to be moved."""
    from almoner.platform.embedded.data_dir import DataDir

    if not settings.servers.database_url:
        with DataDir(settings.servers.data_dir).locked():
            return


def _bring_secret_key(settings: Settings, folder: Path, manifest: Manifest) -> None:
    """See that the key is the right one, taking it from the backup where there is none yet.

    Before anything else: a key that was made just now would look like the installation's own.
    """
    from almoner.operations.backup import manifest as manifests
    from almoner.operations.backup.errors import WrongKey
    from almoner.operations.backup.put_back import demand_secret_key
    from almoner.platform.embedded.data_dir import DataDir

    if settings.secrets.secret_key:
        demand_secret_key(manifest, settings.secrets.secret_key)
        return
    data_dir = DataDir(settings.servers.data_dir)
    path = data_dir.path / "secret-key"
    if not path.exists():
        if not manifest.has_secret_key:
            raise WrongKey(
                f"The secret key is not in this backup, and there is none in {path}. Put the key "
                "of the installation there first, or set ALMONER_SECRET_KEY."
            )
        manifests.copy_durably(folder / manifests.SECRET_KEY, path)
    demand_secret_key(manifest, data_dir.secret_key())


async def _move_aside(settings: Settings, *, replace: bool, replace_sandbox: bool) -> list[str]:
    from almoner.bootstrap.watching import journal_dir_of
    from almoner.operations.backup.move_aside import rename_database, rename_folder, stamp

    mark, moved = stamp(), []
    wanted = [(settings.servers.database_url, replace), (settings.sandbox_url, replace_sandbox)]
    for url, move in wanted:
        if move and not await _is_empty(url):
            moved.append(rename_database(url, mark))
    if replace and (folder := rename_folder(journal_dir_of(settings), mark)) is not None:
        moved.append(str(folder))
    return moved


async def _is_empty(database_url: str) -> bool:
    from almoner.operations.backup.queries import is_empty
    from almoner.platform.db import Database

    database = Database(database_url, size=1)
    await database.open()
    try:
        return await is_empty(database)
    finally:
        await database.close()


async def _put_back(settings: Settings, folder: Path, manifest: Manifest) -> bool:
    """Whether the sandbox's record was put back too: only where there is none."""
    from almoner.bootstrap.watching import journal_dir_of
    from almoner.operations.backup import manifest as manifests
    from almoner.operations.backup.put_back import compare_rows, put_back, put_back_journal
    from almoner.operations.backup.queries import is_empty
    from almoner.platform.db import Database, ensure_database

    database, sandbox = Database(settings.servers.database_url), Database(settings.sandbox_url)
    await ensure_database(settings.sandbox_url, made_from=settings.servers.database_url)
    await database.open()
    await sandbox.open()
    try:
        await put_back(database, folder / manifests.MAIN, takes_gifts=True)
        await compare_rows(database, manifest)
        put_back_journal(folder, journal_dir_of(settings))
        if not manifest.has_sandbox or not await is_empty(sandbox):
            return False
        await put_back(sandbox, folder / manifests.SANDBOX)
        return True
    finally:
        await sandbox.close()
        await database.close()


async def _check(settings: Settings) -> tuple[list[Any], list[JournalAside]]:
    """What is found, and what waits in journals that were moved aside."""
    from almoner.bootstrap import make_gateway
    from almoner.operations.check import check
    from almoner.operations.view import View
    from almoner.platform.db import Database

    database, gateway = Database(settings.servers.database_url), make_gateway(settings)
    await database.open()
    await gateway.open()
    try:
        found = [finding async for finding in check(View(database, gateway))]
        return found, await journals_aside(settings, database)
    finally:
        await gateway.close()
        await database.close()


def _tell(result: dict[str, Any], data_dir: Path | None, *, as_json: bool) -> None:
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(result)))
        return
    console = Console(highlight=False, soft_wrap=True)
    manifest = result["manifest"]
    console.print(
        f"Restored: {manifest.rows.get('donation', 0)} donations, as of {manifest.snapshot_at}."
    )
    for name in result["moved_aside"]:
        console.print(f"  what was there is now {name}", markup=False)
    if not result["sandbox_restored"]:
        console.print("  the sandbox's record was there and stays as it is")
    for finding in result["checks"]:
        if not finding.holds:
            console.print(f"[bold red]BROKEN[/bold red]  {finding.number:>2}  {finding.sentence}")
    console.print(
        "Gifts made after the backup are known to the gateway alone. Until you run "
        "[bold]almoner rebuild-from-gateway[/bold] no gift is charged, and `serve` does not start."
    )
    tell_aside(console, result["journals_aside"], data_dir, rebuilt=False)


def _ended(error: Exception, code: int) -> typer.Exit:
    Console(stderr=True, highlight=False, soft_wrap=True).print(str(error), markup=False)
    return typer.Exit(code)
