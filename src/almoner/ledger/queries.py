"""SQL of the books."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from almoner.ledger.transfer import Transfer
from almoner.platform import arrays
from almoner.platform.db import Connection, Database
from almoner.platform.shards import SHARDS


async def insert_transfers(connection: Connection, transfers: Sequence[Transfer]) -> None:
    """Insert both legs of every transfer in one statement, as the zero-sum trigger asks."""
    await connection.execute(
        """
        INSERT INTO ledger_entry (transfer_id, leg, donor_id, account, amount_minor, currency,
                                  source_kind, source_id, posted_at)
        SELECT transfer_id, leg, donor_id, CASE leg WHEN 1 THEN debit ELSE credit END,
               CASE leg WHEN 1 THEN amount_minor ELSE -amount_minor END, currency,
               source_kind, source_id, to_timestamp(posted_ms / 1000::float8)
        FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::text[],
                    %s::text[], %s::uuid[], %s::bigint[])
             AS new (transfer_id, donor_id, debit, credit, amount_minor, currency, source_kind,
                     source_id, posted_ms),
             (VALUES (1), (2)) AS legs (leg)
        """,
        (
            arrays.uuids(t.transfer_id for t in transfers),
            arrays.uuids(t.donor_id for t in transfers),
            arrays.texts(t.debit for t in transfers),
            arrays.texts(t.credit for t in transfers),
            arrays.integers(t.money.amount_minor for t in transfers),
            arrays.texts(t.money.currency for t in transfers),
            arrays.texts(t.source_kind for t in transfers),
            arrays.uuids(t.source_id for t in transfers),
            arrays.integers(t.posted_ms for t in transfers),
        ),
        prepare=True,
    )


class Seal(Struct, frozen=True):
    """One link of a shard's chain: the entries above `after_entry` up to `to_entry`."""

    shard: int
    number: int
    after_entry: int
    to_entry: int
    entries: int
    previous_hash: bytes
    hash: bytes
    sealed_at: datetime


class SealedEntry(Struct, frozen=True):
    """An entry with every column that its seal covers."""

    entry_number: int | None
    transfer_id: UUID
    leg: int
    donor_id: UUID
    account: str
    amount_minor: int
    currency: str
    source_kind: str
    source_id: UUID
    posted_at: datetime


_SEALING: Final = 0x414C4D53
"""The class of the sealers' advisory locks."""

_SEAL: Final = """
    SELECT shard, number, after_entry, to_entry, entries, previous_hash, hash, sealed_at
    FROM ledger_seal
"""

_IN_RANGE: Final = """
    ((entry_number > %(after)s AND entry_number <= %(to)s)
     OR (%(after)s < 0 AND entry_number IS NULL))
"""
"""Entries from before numbering have no number and belong to the first seal."""


async def last_number(connection: Connection) -> tuple[str, int]:
    """The server's start, which tells one server from another, and the last number given."""
    cursor = await connection.execute(
        """
        SELECT pg_postmaster_start_time()::text AS server,
               CASE WHEN is_called THEN last_value ELSE 0 END AS number
        FROM ledger_entry_number
        """
    )
    row = await cursor.fetchone()
    return (row["server"], row["number"]) if row else ("", 0)


async def writers(connection: Connection) -> frozenset[str]:
    """The transactions that may have written entries which are not committed yet.

    A transaction locks the table before it is given a number, and keeps the lock to its end.
    """
    cursor = await connection.execute(
        """
        SELECT DISTINCT virtualtransaction FROM pg_locks
        WHERE locktype = 'relation' AND granted
          AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                       'AccessExclusiveLock')
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND relation IN (SELECT 'ledger_entry'::regclass UNION ALL
                           SELECT inhrelid FROM pg_inherits
                           WHERE inhparent = 'ledger_entry'::regclass)
        """
    )
    return frozenset(row["virtualtransaction"] for row in await cursor.fetchall())


async def lock_chain(connection: Connection, shard: int) -> bool:
    """Have a shard's chain for this transaction, unless another sealer has it."""
    cursor = await connection.execute(
        "SELECT pg_try_advisory_xact_lock(%s, %s) AS had", (_SEALING, shard)
    )
    row = await cursor.fetchone()
    return bool(row and row["had"])


async def last_seal(connection: Connection, shard: int) -> Seal | None:
    """The head of a shard's chain."""
    cursor = await connection.execute(
        _SEAL + "WHERE shard = %s ORDER BY number DESC LIMIT 1", (shard,)
    )
    row = await cursor.fetchone()
    return Seal(**row) if row else None


async def insert_seal(
    connection: Connection, shard: int, last: Seal | None, horizon: int, limit: int, at_ms: int
) -> int:
    """Seal the entries behind the last seal up to the horizon, at most about `limit` of them.

    Gives how many; without any, nothing is written. The hash is made here, by the database: of the
    previous hash, a head line and the hash of each entry, in order. `verify.py` makes it again, by
    code of its own.
    """
    cursor = await connection.execute(
        _statement(
            f"""
            WITH cut AS (
                SELECT count(*) AS entries, max(entry_number) AS number FROM (
                    SELECT entry_number FROM ledger_entry_{shard} WHERE {_IN_RANGE}
                    ORDER BY entry_number NULLS FIRST LIMIT %(limit)s) AS first
            ), until AS (
                SELECT CASE WHEN entries < %(limit)s OR number IS NULL THEN %(to)s
                            ELSE number END AS number
                FROM cut
            ), entry AS (
                SELECT entry_number, transfer_id, leg,
                       sha256(convert_to(concat_ws('|', coalesce(entry_number, 0), transfer_id, leg,
                           donor_id, encode(convert_to(account, 'UTF8'), 'hex'), amount_minor,
                           encode(convert_to(currency::text, 'UTF8'), 'hex'),
                           encode(convert_to(source_kind, 'UTF8'), 'hex'), source_id,
                           (extract(epoch FROM posted_at) * 1000000)::bigint), 'UTF8')) AS hash
                FROM ledger_entry_{shard}
                WHERE {_IN_RANGE} AND coalesce(entry_number, 0) <= (SELECT number FROM until)
            ), summed AS (
                SELECT count(*) AS entries,
                       string_agg(hash, ''::bytea
                                  ORDER BY entry_number NULLS FIRST, transfer_id, leg) AS hashes
                FROM entry
            )
            INSERT INTO ledger_seal (shard, number, after_entry, to_entry, entries, previous_hash,
                                     hash, sealed_at)
            SELECT %(shard)s, %(number)s, %(after)s, until.number, entries, %(previous)s,
                   sha256(%(previous)s || convert_to(concat_ws('|', 'seal', %(shard)s::int,
                       %(number)s::bigint, %(after)s::bigint, until.number, entries), 'UTF8')
                       || hashes),
                   to_timestamp(%(at_ms)s / 1000::float8)
            FROM summed, until WHERE entries > 0
            ON CONFLICT DO NOTHING
            RETURNING entries
            """
        ),
        {
            "shard": shard,
            "number": last.number + 1 if last else 1,
            "after": last.to_entry if last else -1,
            "to": horizon,
            "previous": last.hash if last else bytes(32),
            "limit": limit,
            "at_ms": at_ms,
        },
    )
    row = await cursor.fetchone()
    return int(row["entries"]) if row else 0


async def oldest_unsealed_s(database: Database, at_ms: int) -> float:
    """For how many seconds the oldest entry has waited for its seal; 0 when none does."""
    row = await database.fetch_one(
        "SELECT coalesce(extract(epoch FROM to_timestamp(%(at_ms)s / 1000::float8) - min(oldest)), "
        "0)::float8 AS waited_s FROM ("
        + " UNION ALL ".join(
            f"""
            SELECT min(posted_at) AS oldest FROM ledger_entry_{shard}
            WHERE entry_number > coalesce(
                (SELECT max(to_entry) FROM ledger_seal WHERE shard = {shard}), 0)
            """
            for shard in range(SHARDS)
        )
        + ") AS unsealed",
        {"at_ms": at_ms},
    )
    return max(row["waited_s"], 0.0) if row else 0.0


async def seals_after(database: Database, shard: int, number: int, limit: int) -> list[Seal]:
    """The next links of a chain, in order."""
    rows = await database.fetch_all(
        _SEAL + "WHERE shard = %s AND number > %s ORDER BY number LIMIT %s", (shard, number, limit)
    )
    return [Seal(**row) for row in rows]


async def seal_at(database: Database, shard: int, number: int) -> Seal | None:
    """One link of a chain."""
    row = await database.fetch_one(_SEAL + "WHERE shard = %s AND number = %s", (shard, number))
    return Seal(**row) if row else None


async def last_seal_before(database: Database, shard: int, at_ms: int) -> Seal | None:
    """The newest link that was made before a time."""
    row = await database.fetch_one(
        _SEAL
        + """
        WHERE shard = %s AND sealed_at < to_timestamp(%s / 1000::float8)
        ORDER BY number DESC LIMIT 1
        """,
        (shard, at_ms),
    )
    return Seal(**row) if row else None


async def heads(database: Database) -> list[Seal]:
    """The newest link of each chain that has one."""
    rows = await database.fetch_all(
        "SELECT DISTINCT ON (shard) shard, number, after_entry, to_entry, entries, previous_hash, "
        "hash, sealed_at FROM ledger_seal ORDER BY shard, number DESC"
    )
    return [Seal(**row) for row in rows]


async def entries_between(
    database: Database, shard: int, after_entry: int, to_entry: int
) -> list[SealedEntry]:
    """The entries of a range of numbers, in the order in which they are sealed."""
    rows = await database.fetch_all(
        f"""
        SELECT entry_number, transfer_id, leg, donor_id, account, amount_minor, currency,
               source_kind, source_id, posted_at
        FROM ledger_entry_{shard} WHERE {_IN_RANGE}
        ORDER BY entry_number NULLS FIRST, transfer_id, leg
        """,
        {"after": after_entry, "to": to_entry},
    )
    return [SealedEntry(**row) for row in rows]


async def sums(database: Database) -> list[dict[str, Any]]:
    """The sum and the number of entries of each account and currency."""
    return await database.fetch_all(
        """
        SELECT account, currency, sum(amount_minor)::bigint AS amount_minor, count(*) AS entries
        FROM ledger_entry GROUP BY account, currency ORDER BY account, currency
        """
    )


def _statement(sql: str) -> Any:
    """Psycopg wants a LiteralString; a partition's number is ours too."""
    return sql
