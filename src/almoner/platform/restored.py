"""The mark of a restored database that has not asked the gateway yet: it takes no new charges.

A restored database has forgotten charges. A gift whose key it does not know any more, or whose
first attempt it remembers and not the second, would be charged again. The mark is a schema, which
is made before the first row is restored, so that no crash leaves restored rows without it; the
trigger `payment_attempt_after_restore` refuses while it is there.
"""

from __future__ import annotations

from typing import Final

from almoner.platform.db import Connection, Database

SCHEMA: Final = "awaits_rebuild"
"""The trigger's function and `pg_dump` know it by this name."""

WHAT_TO_DO: Final = (
    "The database was restored from a backup and has not asked the gateway yet which charges it "
    "has forgotten; until then a gift could be charged twice. Run `almoner rebuild-from-gateway`."
)


async def mark_restored(database: Database) -> None:
    """Take no new charges from now on. Raises DatabaseAway."""
    async with database.connection() as connection:
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}".encode())


async def rebuilt(database: Database) -> None:
    """The gateway was asked about all its charges: take new ones again. Raises DatabaseAway."""
    async with database.connection() as connection:
        await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA}".encode())


async def awaits_rebuild(database: Database) -> bool:
    """Whether it was restored and not rebuilt since. Raises DatabaseAway."""
    row = await database.fetch_one("SELECT to_regnamespace(%s) IS NOT NULL AS marked", (SCHEMA,))
    return row is not None and bool(row["marked"])


async def write_as_rebuild(connection: Connection) -> None:
    """Let this transaction write attempts in spite of the mark: they are charges that were made."""
    await connection.execute("SELECT set_config('almoner.rebuilding', 'on', true)")
