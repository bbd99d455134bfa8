"""SQL of the monitor: its own tables, and what it reads of the others'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from almoner.operations.finding import Finding
from almoner.operations.monitor.readings import COUNT_MAX, Beat, OpenFinding, RunSummary, Waiting
from almoner.platform import arrays
from almoner.platform.db import Connection, Database
from almoner.platform.ids import new_id
from almoner.platform.loops import LoopReport

_OPEN: Final = (
    "PREPARED", "DISPATCHED", "UNKNOWN", "REQUIRES_ACTION", "AUTHORIZED", "NEEDS_REVIEW",
    "LATE_SUCCESS",
)  # fmt: skip


class Server(Struct, frozen=True):
    """Which database server answers, and what its clock says. Times are milliseconds since 1970.

    `identity` changes when it was started again, or when another node has taken over.
    """

    identity: str
    now_ms: int
    up_s: float
    version: str
    bytes: int


async def read_server(database: Database) -> Server:
    """Who answers. Raises DatabaseAway."""
    row = await database.fetch_one("""
        SELECT concat_ws(' ', pg_postmaster_start_time(), inet_server_addr(), inet_server_port())
                   AS identity,
               (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms,
               extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS up_s,
               current_setting('server_version') AS version,
               pg_database_size(current_database()) AS bytes
    """)
    if row is None:
        raise LookupError("a SELECT without FROM gave no row")
    return Server(**row)


# Runs


async def last_started_ms(database: Database, kind: str, *, whole: bool = True) -> int | None:
    """When the last look of a kind began: of those that could look at everything, or of all."""
    row = await database.fetch_one(
        """
        SELECT (extract(epoch FROM max(started_at)) * 1000)::bigint AS started_ms
        FROM integrity_run
        WHERE kind = %s AND (NOT %s OR (finished_at IS NOT NULL AND failed = '{}'))
        """,
        (kind, whole),
    )
    return None if row is None else row["started_ms"]


async def begin_run(
    connection: Connection, kind: str, since_ms: int | None, lease_ms: int
) -> UUID | None:
    """Begin a run, or None while another one is under way. Ends one whose worker has died."""
    await connection.execute("""
        UPDATE integrity_run SET finished_at = now(), failed = '{abandoned}'
        WHERE finished_at IS NULL AND lease_until < now()
    """)
    cursor = await connection.execute(
        """
        INSERT INTO integrity_run (run_id, kind, since, started_at, lease_until)
        VALUES (%s, %s, to_timestamp(%s / 1000::float8), now(),
                now() + make_interval(secs => %s / 1000.0))
        ON CONFLICT DO NOTHING RETURNING run_id
        """,
        (new_id(), kind, since_ms, lease_ms),
    )
    row = await cursor.fetchone()
    return None if row is None else row["run_id"]


async def keep_run(connection: Connection, run_id: UUID, lease_ms: int) -> bool:
    """Keep the lease while it is still ours; false when somebody took it for dead."""
    cursor = await connection.execute(
        """
        UPDATE integrity_run SET lease_until = now() + make_interval(secs => %s / 1000.0)
        WHERE run_id = %s AND finished_at IS NULL
        """,
        (lease_ms, run_id),
    )
    return cursor.rowcount == 1


async def end_run(connection: Connection, run_id: UUID, findings: Sequence[Finding],
                  failed: Sequence[str]) -> None:  # fmt: skip
    """Write down what a run found: new findings, those that go on, those that are mended.

    A finding is mended when a look that covers it finds nothing: one of a full run only by another
    full run, as a look at what changed may not come across it.
    """
    cursor = await connection.execute(
        """
        UPDATE integrity_run
        SET finished_at = now(), checks = %s, broken = %s, failed = %s::text[]
        WHERE run_id = %s AND finished_at IS NULL RETURNING kind, since
        """,
        (len(findings), sum(not f.holds for f in findings), arrays.texts(failed), run_id),
    )
    run = await cursor.fetchone()
    if run is None:
        return
    held = [f.name for f in findings if f.holds]
    await connection.execute(
        """
        UPDATE integrity_finding SET resolved_at = now()
        WHERE resolved_at IS NULL AND check_name = ANY (%s::text[])
          AND (%s = 'full' OR (found_by = 'changed' AND since >= %s))
        """,
        (arrays.texts(held), run["kind"], run["since"]),
    )
    for finding in findings:
        if not finding.holds:
            await _store_finding(connection, finding, run)


async def _store_finding(connection: Connection, finding: Finding, run: dict[str, Any]) -> None:
    """A finding that is open already stays what it was, seen once more."""
    await connection.execute(
        """
        INSERT INTO integrity_finding AS f (check_name, number, sentence, found_by, since,
            first_seen_at, last_seen_at, breaches, examples)
        VALUES (%s, %s, %s, %s, %s, now(), now(), %s, %s::text[])
        ON CONFLICT (check_name) WHERE resolved_at IS NULL DO UPDATE
        SET last_seen_at = now(), breaches = excluded.breaches, examples = excluded.examples
        """,
        (
            finding.name, finding.number, finding.sentence, run["kind"], run["since"],
            finding.breaches, arrays.texts(finding.examples),
        ),
    )  # fmt: skip


async def oldest_open_since_ms(database: Database) -> int | None:
    """From when on a look must go to cover every open finding of a look at what changed."""
    row = await database.fetch_one("""
        SELECT (extract(epoch FROM min(since)) * 1000)::bigint AS since_ms
        FROM integrity_finding WHERE resolved_at IS NULL AND found_by = 'changed'
    """)
    return None if row is None else row["since_ms"]


async def forget_old_runs(connection: Connection) -> None:
    """Keep runs for a month, findings for ever, and of each loop's dead processes nothing."""
    await connection.execute(
        "DELETE FROM integrity_run WHERE finished_at < now() - interval '31 days'"
    )
    await connection.execute("""
        DELETE FROM loop_beat AS old WHERE beat_at < now() - interval '1 day' AND EXISTS (
            SELECT FROM loop_beat AS new WHERE new.loop = old.loop AND new.beat_at > old.beat_at)
    """)


async def last_runs(database: Database) -> dict[str, RunSummary]:
    """The last run of each kind that ended by itself."""
    rows = await database.fetch_all("""
        SELECT DISTINCT ON (kind) kind, checks, broken, failed,
               (extract(epoch FROM started_at) * 1000)::bigint AS started_ms,
               (extract(epoch FROM finished_at) * 1000)::bigint AS finished_ms
        FROM integrity_run WHERE finished_at IS NOT NULL AND failed <> '{abandoned}'
        ORDER BY kind, started_at DESC
    """)
    return {row["kind"]: RunSummary(**row) for row in rows}


async def open_findings(database: Database) -> list[OpenFinding]:
    """What was found and is not mended."""
    rows = await database.fetch_all("""
        SELECT check_name AS check, number, sentence, breaches, examples,
               (extract(epoch FROM first_seen_at) * 1000)::bigint AS first_seen_ms,
               (extract(epoch FROM last_seen_at) * 1000)::bigint AS last_seen_ms
        FROM integrity_finding WHERE resolved_at IS NULL ORDER BY number, check_name
    """)
    return [OpenFinding(**row) for row in rows]


# Loops


async def store_beats(
    connection: Connection, process_id: UUID, role: str, reports: Sequence[LoopReport]
) -> None:
    """Write down how the loops of this process fare."""
    await connection.execute(
        """
        INSERT INTO loop_beat AS b (loop, process_id, role, late_after_s, last_began_at,
                                    last_ended_at, failures_in_a_row, beat_at)
        SELECT loop, %s, %s, late_after_s, to_timestamp(began_ms / 1000::float8),
               to_timestamp(ended_ms / 1000::float8), failures, now()
        FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::int[])
             AS new (loop, late_after_s, began_ms, ended_ms, failures)
        ON CONFLICT (loop, process_id) DO UPDATE
        SET late_after_s = excluded.late_after_s, last_began_at = excluded.last_began_at,
            last_ended_at = excluded.last_ended_at,
            failures_in_a_row = excluded.failures_in_a_row, beat_at = excluded.beat_at
        """,
        (
            process_id,
            role,
            arrays.texts(r.name for r in reports),
            arrays.integers(r.late_after_s for r in reports),
            arrays.integers(r.began_ms for r in reports),
            arrays.integers(r.ended_ms for r in reports),
            arrays.integers(r.failures_in_a_row for r in reports),
        ),
    )


async def forget_beats(connection: Connection, process_id: UUID) -> None:
    """A process that ends in order takes its loops with it."""
    await connection.execute("DELETE FROM loop_beat WHERE process_id = %s", (process_id,))


async def read_beats(database: Database) -> list[Beat]:
    """The freshest of each loop."""
    rows = await database.fetch_all("""
        SELECT DISTINCT ON (loop) loop, role, late_after_s, failures_in_a_row,
               extract(epoch FROM now() - last_began_at)::float8 AS began_age_s,
               extract(epoch FROM now() - last_ended_at)::float8 AS ended_age_s,
               extract(epoch FROM now() - beat_at)::float8 AS beat_age_s
        FROM loop_beat ORDER BY loop, coalesce(last_ended_at, last_began_at) DESC
    """)
    return [Beat(**row) for row in rows]


# What waits


async def open_attempts(database: Database) -> dict[str, Waiting]:
    """Attempts that are not final, by state. Each state has an index that holds no others."""
    found: dict[str, Waiting] = {}
    for state in _OPEN:
        waiting = await _waiting(
            database, f"payment_attempt WHERE state = '{state}'", "dispatched_at"
        )
        if waiting.count:
            found[state] = waiting
    return found


async def look_ups_due(database: Database) -> Waiting:
    """Charges in doubt whose time to be looked up has passed."""
    return await _waiting(
        database,
        "payment_attempt WHERE state IN ('DISPATCHED', 'UNKNOWN') AND next_check_at <= now()",
        "next_check_at",
    )


async def events_waiting(database: Database) -> Waiting:
    """Events in the outbox that nobody has been told of."""
    return await _waiting(database, "event WHERE published_at IS NULL", "occurred_at")


async def webhooks_waiting(database: Database) -> Waiting:
    """Webhooks that are stored and not worked off."""
    return await _waiting(database, "webhook WHERE processed_at IS NULL", "received_at")


async def _waiting(database: Database, source: str, time: str) -> Waiting:
    row = await database.fetch_one(f"""
        SELECT count(*) AS count,
               greatest(0, coalesce(extract(epoch FROM now() - min(at)), 0))::float8 AS oldest_s
        FROM (SELECT {time} AS at FROM {source} ORDER BY {time} LIMIT {COUNT_MAX + 1}) AS waiting
    """)
    return Waiting() if row is None else Waiting(**row)


async def moves_since(database: Database, since_ms: int) -> dict[str, int]:
    """What attempts were seen to become, found by the ids of operations, which begin with time."""
    rows = await database.fetch_all(
        "SELECT outcome, count(*) AS moves FROM gateway_operation WHERE operation_id >= %s "
        "GROUP BY outcome",
        (UUID(int=since_ms << 80),),
    )
    return {row["outcome"]: row["moves"] for row in rows}


async def gifts_since(database: Database, minutes: int) -> int:
    """Gifts written down in the last minutes, counted no further than `COUNT_MAX`."""
    row = await database.fetch_one(
        f"""
        SELECT count(*) AS gifts FROM (
            SELECT FROM donation WHERE created_at > now() - make_interval(mins => %s)
            LIMIT {COUNT_MAX + 1}) AS lately
        """,
        (minutes,),
    )
    return 0 if row is None else int(row["gifts"])


async def usual_days(database: Database, minutes: int) -> int:
    """On how many of the last seven days there were gifts in these minutes of the day."""
    row = await database.fetch_one(
        """
        SELECT count(*) AS days FROM generate_series(1, 7) AS day WHERE EXISTS (
            SELECT FROM donation
            WHERE created_at > now() - make_interval(days => day, mins => %s)
              AND created_at <= now() - make_interval(days => day))
        """,
        (minutes,),
    )
    return 0 if row is None else int(row["days"])
