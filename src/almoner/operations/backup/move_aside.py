"""Move what is there aside, so that a backup can take its place. Nothing is ever deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from almoner.operations.backup.errors import BackupError
from almoner.platform.clock import now_ms


def stamp() -> str:
    """The time now, as part of a name."""
    return datetime.fromtimestamp(now_ms() / 1000, UTC).strftime("%Y%m%dt%H%M%S")


def rename_database(database_url: str, mark: str) -> str:
    """Rename a database and make an empty one in its place; gives the old one's new name.

    Nobody may be connected to it. Raises BackupError.
    """
    name = str(conninfo_to_dict(database_url)["dbname"])
    aside = f"{name}_before_{mark}"
    beside = make_conninfo(database_url, dbname="postgres")
    try:
        with psycopg.connect(beside, autocommit=True, connect_timeout=10) as connection:
            _rename(connection, name, aside)
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except psycopg.Error:
                _rename(connection, aside, name)
                raise
    except psycopg.errors.ObjectInUse as error:
        raise BackupError(f"The database {name} is in use. Stop Almoner first.") from error
    except psycopg.Error as error:
        raise BackupError(
            f"The database {name} cannot be moved aside: {str(error).strip().splitlines()[0]}"
        ) from error
    return aside


def _rename(connection: psycopg.Connection, name: str, new_name: str) -> None:
    statement = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    connection.execute(statement.format(sql.Identifier(name), sql.Identifier(new_name)))


def rename_folder(folder: Path, mark: str) -> Path | None:
    """Rename a folder that holds something; gives its new name."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    return folder.rename(folder.with_name(f"{folder.name}-before-{mark}"))


def folders_aside(folder: Path) -> list[Path]:
    """What `rename_folder` has ever made of a folder and is still there, the oldest first."""
    return sorted(path for path in folder.parent.glob(f"{folder.name}-before-*") if path.is_dir())
