"""Put a backup back: into an empty database, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from almoner.operations.backup import manifest as manifests
from almoner.operations.backup import queries
from almoner.operations.backup.errors import BackupDamaged, NotEmpty, WrongKey
from almoner.operations.backup.manifest import Manifest
from almoner.operations.backup.programs import run
from almoner.platform.db import Database
from almoner.platform.embedded.data_dir import fsync_folder
from almoner.platform.restored import mark_restored


async def put_back(database: Database, dump: Path, *, takes_gifts: bool = False) -> None:
    """Restore a dump in one transaction. Raises NotEmpty, BackupError, DatabaseAway.

    A database that `takes_gifts` is marked before: it has forgotten charges.
    """
    if not await queries.is_empty(database):
        raise NotEmpty(
            "The database is not empty, and nothing was changed. With --replace it is moved aside."
        )
    if takes_gifts:
        await mark_restored(database)
    await run(
        "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
        dump, database_url=database.url,
    )  # fmt: skip
    async with database.connection() as connection:
        await connection.execute("ANALYZE")


async def compare_rows(database: Database, manifest: Manifest) -> None:
    """See that every table has as many rows as were counted. Raises BackupDamaged."""
    async with database.connection() as connection:
        found = await queries.count_rows(connection)
        heads = await queries.ledger_heads(connection)
    for name, rows in manifest.rows.items():
        if found.get(name) != rows:
            raise BackupDamaged(f"{name} has {found.get(name, 0)} rows, and had {rows}.")
    if heads != manifest.ledger_heads:
        raise BackupDamaged("The ledger's newest seals are not those that were backed up.")


def put_back_journal(backup: Path, journal: Path) -> int:
    """Copy the journal back; gives how many files it has. Raises NotEmpty."""
    kept = backup / manifests.JOURNAL
    paths = sorted(path for path in kept.rglob("*") if path.is_file()) if kept.is_dir() else []
    if not paths:
        return 0
    if journal.is_dir() and any(journal.iterdir()):
        raise NotEmpty(f"{journal} is not empty. With --replace it is moved aside.")
    journal.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in paths:
        manifests.copy_durably(path, journal / path.relative_to(kept))
    fsync_folder(journal)
    return len(paths)


def demand_secret_key(manifest: Manifest, secret_key: str) -> None:
    """Raise WrongKey for another installation's key: its ids would be others."""
    if manifests.secret_key_check(secret_key) != manifest.secret_key_check:
        raise WrongKey(
            "This is not the secret key of the installation that was backed up. Without that key "
            "links stop working, a gift that is sent again would be charged again, and the journal "
            "cannot be read. Put the right key in place: the file `secret-key` of the data "
            "directory, or ALMONER_SECRET_KEY."
        )
