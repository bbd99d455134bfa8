"""SQL of the benchmark: what a run left behind, and how the server is set."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from almoner.platform.db import Database

SETTINGS_SHOWN: Final = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "commit_delay",
    "server_version",
)

_CAPTURED: Final = "('SUBMITTED', 'SETTLED', 'DISPUTED', 'LATE_SUCCESS')"
_OPEN: Final = "('PREPARED', 'DISPATCHED', 'UNKNOWN', 'REQUIRES_ACTION', 'NEEDS_REVIEW')"


async def server_settings(database: Database) -> dict[str, str]:
    """The settings that decide what a commit costs, as the server itself tells them."""
    rows = await database.fetch_all(
        "SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY (%s)",
        (list(SETTINGS_SHOWN),),
    )
    return {row["name"]: row["value"] for row in rows}


async def charity_ids(database: Database) -> list[int]:
    """Charities that take gifts in US dollars."""
    rows = await database.fetch_all(
        """
        SELECT charity_id FROM charity
        WHERE status = 'active' AND (currencies IS NULL OR 'USD' = ANY (currencies))
        ORDER BY charity_id
        """
    )
    return [row["charity_id"] for row in rows]


async def count_open(database: Database) -> int:
    """Attempts whose end is not known yet."""
    return await _count(database, f"SELECT count(*) FROM payment_attempt WHERE state IN {_OPEN}")


async def paid_donations(database: Database) -> set[UUID]:
    """Donations with a captured attempt."""
    rows = await database.fetch_all(
        f"""
        SELECT d.donation_id FROM donation AS d
        JOIN payment_attempt AS a ON a.payable_id = d.donation_id AND a.donor_id = d.donor_id
        WHERE a.state IN {_CAPTURED}
        """
    )
    return {row["donation_id"] for row in rows}


async def count_rows(database: Database) -> dict[str, int]:
    """How many rows each table of a donation holds."""
    tables = ("idempotency_record", "donor", "donation", "payment_attempt", "gateway_operation",
              "ledger_entry", "event")  # fmt: skip
    return {name: await _count(database, f"SELECT count(*) FROM {name}") for name in tables}


async def copy_database(database: Database, source: str, name: str) -> None:
    """Make a database that is like another, to which nobody may be connected."""
    async with database.connection() as connection:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {source}".encode())


async def make_durable(database: Database) -> None:
    """Write everything out, so that a run does not pay for what came before it."""
    async with database.connection() as connection:
        await connection.execute("CHECKPOINT")


async def top_statements(database: Database, limit: int = 16) -> list[dict[str, Any]]:
    """The statements that cost the server most, from `pg_stat_statements`; times in ms."""
    return [
        dict(row)
        for row in await database.fetch_all(
            """
            SELECT round(total_exec_time::numeric, 1)::float8 AS total_ms, calls,
                   round(mean_exec_time::numeric, 3)::float8 AS mean_ms, rows,
                   left(regexp_replace(query, '\\s+', ' ', 'g'), 160) AS statement
            FROM pg_stat_statements
            WHERE dbid IN (SELECT oid FROM pg_database WHERE datname LIKE 'almoner%%')
            ORDER BY total_exec_time DESC LIMIT %s
            """,
            (limit,),
        )
    ]


async def _count(database: Database, sql: str) -> int:
    row = await database.fetch_one(sql)
    return int(row["count"]) if row else 0
