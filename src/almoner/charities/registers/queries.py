"""SQL of importing registers.

Rows go through a temporary table: COPY is the cheapest way in, and one statement then decides for
the whole batch what is new and what differs. A row that is as the register has it is not touched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

from almoner.charities.errors import ImportRunning
from almoner.charities.registers import Listed, Skipped
from almoner.charities.slugs import slug_of
from almoner.platform.db import Connection, Database

_LOCK: Final = 0x63686172_00000001

_STAGED: Final = """
-- One batch. `ordinal` counts rows over all files of a run; `closing` rows have no more than a key.
CREATE TEMPORARY TABLE IF NOT EXISTS staged (
    ordinal bigint, closing boolean, register text, register_id text, slug text, name text,
    description text, category text, country char(2), place text, website text
)
"""

_SEEN: Final = """
-- Every charity met in this run, to find one that a file holds twice.
CREATE TEMPORARY TABLE IF NOT EXISTS seen (
    register text, register_id text, ordinal bigint, PRIMARY KEY (register, register_id)
)
"""

_COPY: Final = """
COPY staged (ordinal, closing, register, register_id, slug, name, description, category, country,
             place, website) FROM STDIN
"""

_DROP_REPEATED: Final = """
-- The first row of each charity counts. Takes out, and gives back, rows of one met before. It
-- never scans `seen`, which grows with the run.
WITH noted AS (
    INSERT INTO seen SELECT register, register_id, min(ordinal) FROM staged
    GROUP BY register, register_id ON CONFLICT DO NOTHING
    RETURNING ordinal
)
DELETE FROM staged WHERE ordinal NOT IN (SELECT ordinal FROM noted)
RETURNING ordinal
"""

_SAVE: Final = """
-- Adds what is new, rewrites what differs, opens again what a register had closed. Leaves alone
-- rows that are equal (not even locked), texts of rows that are not owned by this register, and
-- what staff have closed. The slug stays: it is somebody's bookmark.
WITH written AS (
    INSERT INTO charity AS kept (slug, name, description, category, country, place, website,
                                 register, register_id, source)
    SELECT slug, name, description, category, country, place, website,
           register, register_id, register
    FROM staged
    WHERE NOT closing AND NOT EXISTS (
        SELECT FROM charity AS same
        WHERE (same.register, same.register_id) = (staged.register, staged.register_id)
          AND same.closed_by IS DISTINCT FROM 'register'
          AND (same.source <> staged.register
               OR (same.name, same.description, same.category, same.country, same.place,
                   same.website)
                  IS NOT DISTINCT FROM
                  (staged.name, staged.description, staged.category, staged.country,
                   staged.place, staged.website)))
    ON CONFLICT (register, register_id) DO UPDATE SET
        name = excluded.name, description = excluded.description, category = excluded.category,
        country = excluded.country, place = excluded.place, website = excluded.website,
        status = CASE WHEN kept.closed_by = 'staff' THEN 'closed' ELSE 'active' END,
        closed_by = nullif(kept.closed_by, 'register'),
        updated_at = now()
    WHERE kept.source = excluded.source
    RETURNING old.charity_id IS NULL AS is_new
)
SELECT count(*) FILTER (WHERE is_new) AS added, count(*) FILTER (WHERE NOT is_new) AS changed
FROM written
"""

_REOPEN: Final = """
-- Opens again a charity whose texts are ours and which its register lists once more.
UPDATE charity SET status = 'active', closed_by = NULL, updated_at = now()
FROM staged
WHERE (charity.register, charity.register_id) = (staged.register, staged.register_id)
  AND NOT staged.closing AND charity.closed_by = 'register'
  AND charity.source <> staged.register
"""

_CLOSE: Final = """
-- Closes what was given to until now and may be no longer.
UPDATE charity SET status = 'closed', closed_by = 'register', updated_at = now()
FROM staged
WHERE (charity.register, charity.register_id) = (staged.register, staged.register_id)
  AND staged.closing AND charity.status = 'active'
"""


class BatchResult(Struct, frozen=True):
    """What a batch did. `repeated` holds the ordinals of rows that came a second time."""

    added: int
    changed: int
    closed: int
    repeated: list[int]


class ImportSession:
    """One run of the import, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def save(self, batch: Sequence[tuple[int, Listed | Skipped]]) -> BatchResult:
        """Write a batch of (ordinal, row), all of it or nothing."""
        connection = self._connection
        async with connection.transaction():
            await connection.execute("TRUNCATE staged")
            async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                for ordinal, row in batch:
                    await copy.write_row(_columns(ordinal, row))
            repeated = await (await connection.execute(_DROP_REPEATED)).fetchall()
            reopened = (await connection.execute(_REOPEN)).rowcount
            saved = await (await connection.execute(_SAVE)).fetchone()
            closed = (await connection.execute(_CLOSE)).rowcount
        counts = saved or {"added": 0, "changed": 0}
        return BatchResult(
            counts["added"], counts["changed"] + reopened, closed,
            sorted(row["ordinal"] for row in repeated),
        )  # fmt: skip

    async def settle(self) -> None:
        """Bring the planner's figures up to date after much has changed."""
        await self._connection.execute("ANALYZE charity")


@asynccontextmanager
async def import_session(database: Database) -> AsyncIterator[ImportSession]:
    """The only import at work on this database. Raises ImportRunning, DatabaseAway."""
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s) AS free", [_LOCK])
        row = await cursor.fetchone()
        if row is None or not row["free"]:
            raise ImportRunning("Another import is at work on this database.")
        try:
            await connection.execute("SET client_min_messages = warning")
            await connection.execute(_STAGED)
            await connection.execute(_SEEN)
            await connection.execute("TRUNCATE seen")
            yield ImportSession(connection)
        finally:
            if not connection.broken:
                await connection.execute("RESET client_min_messages")
                await connection.execute("DROP TABLE IF EXISTS pg_temp.staged, pg_temp.seen")
                await connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _columns(ordinal: int, row: Listed | Skipped) -> tuple[object, ...]:
    if isinstance(row, Skipped):
        return (ordinal, True, row.register, row.register_id, *[None] * 7)
    slug = slug_of(row.name, row.country, row.register_id)
    return (
        ordinal, False, row.register, row.register_id, slug, row.name, row.description,
        row.category, row.country, row.place, row.website,
    )  # fmt: skip
