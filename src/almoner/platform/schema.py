"""The revision of the database schema that this program needs."""

from __future__ import annotations

from typing import Final

from almoner.platform.db import Database

REVISION: Final = "0013"
"""A test keeps it equal to the newest file in `migrations/versions`."""


async def revision_of(database: Database) -> str | None:
    """The revision a database is at; None when it was never migrated. Raises DatabaseAway."""
    row = await database.fetch_one("SELECT to_regclass('alembic_version') IS NOT NULL AS made")
    if row is None or not row["made"]:
        return None
    version = await database.fetch_one("SELECT version_num FROM alembic_version")
    return None if version is None else str(version["version_num"])
