"""`almoner backup`: everything that must not be lost, in one folder or file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from almoner.cli.data_dir import DataDirOption, installation, settings_for
from almoner.platform.errors import Unavailable
from almoner.platform.logging import configure_logging
from almoner.platform.settings import Settings

if TYPE_CHECKING:
    from almoner.operations.backup.manifest import Manifest
    from almoner.operations.backup.take import Say

FAILED = 1
WRONG = 2
COULD_NOT_READ = 3


def backup(
    target: Annotated[
        Path,
        typer.Argument(
            help="Folder to make, or a file that ends with .tar. An existing folder gets one of "
            "its own for each backup."
        ),
    ],
    data_dir: DataDirOption = None,
    with_secret_key: Annotated[
        bool,
        typer.Option(
            "--with-secret-key",
            help="Put the secret key in too. Whoever has such a backup has everything.",
        ),
    ] = False,
    verify_by_restore: Annotated[
        bool,
        typer.Option(
            "--verify-by-restore",
            help="Restore it into a scratch database and run every integrity check there.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Back up the database, the sandbox's record and the journal while gifts go on.

    Made with PostgreSQL's own pg_dump from one snapshot, described by a manifest with SHA-256 sums,
    and read back before it counts. THE SECRET KEY IS NOT IN IT unless you ask for it: keep a copy
    of it (the file `secret-key` of the data directory, or ALMONER_SECRET_KEY) in another place.
    Without the key a backup cannot be used.

    Exit codes: 0 made and verified, 1 it could not be made or does not hold what it should (then
    there is none), 2 the target cannot be used, 3 the database could not be read.
    """
    from almoner.operations.backup.errors import BackupError, CannotLikeThis
    from almoner.operations.backup.move_aside import stamp

    configure_logging("error", "auto")
    target = target.expanduser().absolute()
    try:
        target = _place(target, stamp())
        with installation(settings_for(data_dir), any_schema=True) as settings:
            where, manifest = asyncio.run(
                _back_up(settings, target, with_secret_key=with_secret_key, quiet=as_json)
            )
            findings = _prove(settings, where, quiet=as_json) if verify_by_restore else None
    except CannotLikeThis as error:
        raise _ended(error, WRONG) from None
    except BackupError as error:
        raise _ended(error, FAILED) from None
    except OSError as error:
        raise _ended(f"{error.filename or target}: {error.strerror}.", FAILED) from None
    except Unavailable as error:
        raise _ended(error, COULD_NOT_READ) from None
    _tell(where, manifest, findings, as_json=as_json)
    if findings and not all(finding.holds for finding in findings):
        raise typer.Exit(FAILED)


def _place(target: Path, name: str) -> Path:
    """Where the backup goes: into a folder that is there, under a name of its own.

    Raises NotEmpty when that folder is a backup itself: one inside another is found by nobody.
    """
    from almoner.operations.backup.errors import NotEmpty
    from almoner.operations.backup.manifest import is_backup

    if is_backup(target):
        raise NotEmpty(
            f"{target} is a backup already. Backups are never overwritten: name another, or the "
            "folder around it to have each under a name of its own."
        )
    return target / name if target.is_dir() else target


async def _back_up(
    settings: Settings, target: Path, *, with_secret_key: bool, quiet: bool
) -> tuple[Path, Manifest]:
    from almoner import __version__
    from almoner.bootstrap import make_gateway
    from almoner.bootstrap.watching import journal_dir_of
    from almoner.operations.backup.archive import SUFFIX, is_archive, pack
    from almoner.operations.backup.take import Wanted, take
    from almoner.platform.db import Database

    folder = target.with_suffix(".folder") if is_archive(target) else target
    database = Database(settings.servers.database_url, size=2)
    sandbox = Database(settings.sandbox_url, size=2)
    gateway = make_gateway(settings)  # makes its record if this is the first time
    await database.open()
    await gateway.open()
    await sandbox.open()
    wanted = Wanted(
        database, sandbox, journal_dir_of(settings), settings.secrets.secret_key,
        with_secret_key, __version__,
    )  # fmt: skip
    try:
        with _progress(quiet=quiet) as say:
            manifest = await take(wanted, folder, say)
            if target.suffix == SUFFIX:
                say("packing")
                pack(folder, target)
    finally:
        await sandbox.close()
        await gateway.close()
        await database.close()
    return target, manifest


def _prove(settings: Settings, backup_path: Path, *, quiet: bool) -> list[Any]:
    """Restore into servers of its own, in a folder that is removed, and run every check."""
    import msgspec

    from almoner.operations.backup.archive import unpacked
    from almoner.platform.embedded.data_dir import DataDir
    from almoner.platform.embedded.servers import PrivateServers

    with (
        TemporaryDirectory(prefix="almoner-verify-") as scratch,
        unpacked(backup_path, beside=backup_path.parent) as folder,
    ):
        data_dir = DataDir(Path(scratch) / "data")
        with data_dir.locked():
            private = PrivateServers(data_dir, cache=False)
            try:
                private.start()
                runtime = private.runtime(shared=False)
                there = msgspec.structs.replace(
                    settings.servers,
                    database_url=runtime.database_url or "",
                    sandbox_database_url=runtime.sandbox_database_url or "",
                )
                scratched = msgspec.structs.replace(settings, servers=there)
                return asyncio.run(_check_copy(scratched, folder, quiet=quiet))
            finally:
                private.stop()


async def _check_copy(settings: Settings, folder: Path, *, quiet: bool) -> list[Any]:
    from datetime import datetime

    from almoner.bootstrap import make_gateway
    from almoner.operations.as_of import GatewayAsOf
    from almoner.operations.backup import manifest as manifests
    from almoner.operations.backup.put_back import compare_rows, put_back
    from almoner.operations.check import check
    from almoner.operations.view import View
    from almoner.platform.db import Database

    manifest = manifests.verify(folder)
    until_ms = int(datetime.fromisoformat(manifest.snapshot_at).timestamp() * 1000)
    database, sandbox = Database(settings.servers.database_url), Database(settings.sandbox_url)
    gateway = make_gateway(settings)
    await database.open()
    await sandbox.open()
    try:
        with _progress(quiet=quiet) as say:
            say("restoring a copy")
            await put_back(database, folder / manifests.MAIN)
            await put_back(sandbox, folder / manifests.SANDBOX)
            await compare_rows(database, manifest)
            await gateway.open()
            say("checking the copy")
            view = View(database, GatewayAsOf(gateway, until_ms))
            return [finding async for finding in check(view)]
    finally:
        await gateway.close()
        await sandbox.close()
        await database.close()


class _progress:  # noqa: N801 - used like a function
    """A line that says what goes on, on standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
            console=Console(stderr=True), transient=True, disable=quiet,
        )  # fmt: skip

    def __enter__(self) -> Say:
        self._progress.start()
        task = self._progress.add_task("beginning", total=None)
        return lambda word: self._progress.update(task, description=word)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _tell(where: Path, manifest: Manifest, findings: list[Any] | None, *, as_json: bool) -> None:
    broken = [finding.name for finding in findings or [] if not finding.holds]
    if as_json:
        import msgspec

        result = {"backup": str(where), "manifest": manifest, "checked": findings}
        typer.echo(msgspec.json.format(msgspec.json.encode(result)))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print("Made and verified: ", end="")
    console.print(str(where), markup=False)
    size = sum(file.bytes for file in manifest.files)
    rows = manifest.rows
    console.print(
        f"  {rows.get('donation', 0)} donations, {rows.get('charity', 0)} charities, "
        f"{size / 2**20:.1f} MiB, as of {manifest.snapshot_at}"
    )
    if findings is not None:
        verdict = f"BROKEN: {', '.join(broken)}" if broken else "every check holds"
        console.print(f"  restored into a scratch database: {verdict}")
    if manifest.has_secret_key:
        console.print(
            "[bold]The secret key is in it. Whoever has this backup has everything.[/bold]"
        )
    else:
        console.print(
            "[bold]The secret key is NOT in it. Keep a copy in another place: without it this "
            "backup cannot be used.[/bold]"
        )


def _ended(error: Exception | str, code: int) -> typer.Exit:
    Console(stderr=True, highlight=False, soft_wrap=True).print(str(error), markup=False)
    return typer.Exit(code)
