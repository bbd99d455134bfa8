"""Take a backup: journal, database and the sandbox's record, while gifts go on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from almoner.operations.backup import manifest as manifests
from almoner.operations.backup import queries
from almoner.operations.backup.errors import BackupError, CannotLikeThis, NotEmpty
from almoner.operations.backup.manifest import Manifest
from almoner.operations.backup.programs import run
from almoner.platform import restored
from almoner.platform.clock import now_ms, rfc3339
from almoner.platform.db import Database
from almoner.platform.embedded.data_dir import fsync_folder, write_durably
from almoner.platform.schema import revision_of

Say = Callable[[str], None]


class Wanted(Struct, frozen=True):
    """What to back up. Without a sandbox its record is left out; so is a journal that is not there.

    `secret_key` only tells which installation this is, unless it is `with_secret_key`.
    """

    database: Database
    sandbox: Database | None
    journal: Path
    secret_key: str
    with_secret_key: bool
    program_version: str


async def take(wanted: Wanted, target: Path, say: Say) -> Manifest:
    """Make the backup `target`, a folder that is not there yet, and verify it.

    Everything is made beside it and renamed at the end, so that one cut short is never taken for
    whole. The order matters: what leaves the journal meanwhile is in the database, which comes
    after it; what is charged meanwhile has its stamp in the database, which comes before the
    gateway's record. Raises NotEmpty, CannotLikeThis, BackupError, DatabaseAway, OSError.
    """
    draft = _begin(target)
    say("copying the journal")
    _copy_journal(wanted.journal, draft / manifests.JOURNAL)
    manifest = await _dump(wanted, draft, say)
    say("verifying")
    manifests.verify(draft)
    await read_through(draft, manifest)
    draft.rename(target)
    fsync_folder(target.parent)
    return manifest


def _begin(target: Path) -> Path:
    """The folder to make the backup in; what an earlier try left of it is removed.

    Raises NotEmpty; CannotLikeThis where no folder can be made.
    """
    if target.exists():
        raise NotEmpty(f"{target} is there already. Backups are never overwritten.")
    draft = target.with_name(f"{target.name}.incomplete")
    try:
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise CannotLikeThis(f"{target} cannot be made: {error.strerror}.") from None
    return draft


def _copy_journal(journal: Path, target: Path) -> None:
    """Copy every file. One that vanishes meanwhile was drained: what it held is in the database."""
    paths = sorted(journal.rglob("*")) if journal.is_dir() else []
    for path in paths:
        with suppress(FileNotFoundError):
            if path.is_file():
                manifests.copy_durably(path, target / path.relative_to(journal))


async def _dump(wanted: Wanted, draft: Path, say: Say) -> Manifest:
    revision = await revision_of(wanted.database)
    if revision is None:
        raise BackupError("The database holds nothing of Almoner: there is nothing to back up.")
    async with queries.snapshot(wanted.database) as (connection, moment):
        say("dumping the database")
        await _pg_dump(wanted.database.url, moment.name, draft / manifests.MAIN)
        say("counting")
        rows = await queries.count_rows(connection)
        heads = await queries.ledger_heads(connection)
    if wanted.sandbox is not None:
        say("dumping the sandbox's record")
        async with queries.snapshot(wanted.sandbox) as (_, later):
            await _pg_dump(wanted.sandbox.url, later.name, draft / manifests.SANDBOX)
    if wanted.with_secret_key:
        write_durably(draft / manifests.SECRET_KEY, wanted.secret_key + "\n")
    manifest = Manifest(
        almoner=wanted.program_version,
        made_at=rfc3339(now_ms()),
        snapshot_at=moment.at,
        schema_revision=revision,
        server_version=moment.server_version,
        rows=rows,
        ledger_heads=heads,
        secret_key_check=manifests.secret_key_check(wanted.secret_key),
        has_secret_key=wanted.with_secret_key,
        has_sandbox=wanted.sandbox is not None,
        files=manifests.describe(draft),
    )
    manifests.write(draft, manifest)
    return manifest


async def _pg_dump(database_url: str, snapshot: str, target: Path) -> None:
    await run(
        "pg_dump", "--format=custom", f"--snapshot={snapshot}", "--no-owner", "--no-privileges",
        "--exclude-extension=pg_stat_statements", f"--exclude-schema={restored.SCHEMA}",
        "--lock-wait-timeout=30s", f"--file={target}",
        database_url=database_url,
    )  # fmt: skip


async def read_through(folder: Path, manifest: Manifest) -> None:
    """Have every dump read to its end by the program that would put it back."""
    names = [manifests.MAIN, *([manifests.SANDBOX] if manifest.has_sandbox else [])]
    for name in names:
        listed = await run("pg_restore", "--list", folder / name)
        if "TABLE DATA" not in listed:
            raise BackupError(f"{name} holds no data.")
        await run("pg_restore", "--file=/dev/null", folder / name)
