"""SQL of what is due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from almoner.payments.attempt import AttemptRow
from almoner.payments.queries import read_attempts
from almoner.platform import arrays
from almoner.platform.db import Connection

_DUE: Final = """
    WITH due AS (
        SELECT attempt_id, donor_id FROM payment_attempt
        WHERE {which} AND next_check_at <= now() AND gateway <> ALL (%s::text[])
        ORDER BY next_check_at LIMIT %s FOR UPDATE SKIP LOCKED
    )
    UPDATE payment_attempt AS a
    SET lease_owner = %s, lease_epoch = a.lease_epoch + 1, version = a.version + 1,
        next_check_at = until, looked_at = until
    FROM due, to_timestamp(%s / 1000::float8) AS until
    WHERE a.attempt_id = due.attempt_id AND a.donor_id = due.donor_id
    RETURNING a.attempt_id
"""


async def lease_in_doubt(
    connection: Connection,
    lease_owner: UUID,
    until_ms: int,
    limit: int,
    not_of: Sequence[str] = (),
) -> list[AttemptRow]:
    """Take over attempts in doubt that are due, with a new lease epoch; not of some gateways.

    Whoever held one before can no longer move it. SKIP LOCKED lets several workers share the work;
    `next_check_at` moves on at once, so that a worker that dies here only delays the next look.
    """
    which = "state IN ('DISPATCHED', 'UNKNOWN')"
    return await _lease(connection, which, lease_owner, until_ms, limit, not_of)


async def lease_look_again(
    connection: Connection,
    lease_owner: UUID,
    until_ms: int,
    limit: int,
    not_of: Sequence[str] = (),
) -> list[AttemptRow]:
    """Take over attempts that are due although they are not in doubt.

    Leaves out late money: about that there is something to decide, and nothing to ask.
    """
    which = (
        "next_check_at IS NOT NULL AND state NOT IN ('PREPARED', 'DISPATCHED', 'UNKNOWN') "
        "AND state <> 'LATE_SUCCESS'"
    )
    return await _lease(connection, which, lease_owner, until_ms, limit, not_of)


async def lease_late(
    connection: Connection, lease_owner: UUID, until_ms: int, limit: int
) -> list[AttemptRow]:
    """Take over late money that nobody has decided about yet."""
    return await _lease(connection, "state = 'LATE_SUCCESS'", lease_owner, until_ms, limit, ())


async def lease_prepared(
    connection: Connection, lease_owner: UUID, until_ms: int, limit: int
) -> list[AttemptRow]:
    """Take over attempts that were written down and never stamped, once their time is over."""
    return await _lease(connection, "state = 'PREPARED'", lease_owner, until_ms, limit, ())


async def give_time_to_prepared(connection: Connection, until_ms: int) -> None:
    """Let the time of attempts that were written down without one run from now."""
    await connection.execute(
        """
        UPDATE payment_attempt SET next_check_at = to_timestamp(%s / 1000::float8)
        WHERE state = 'PREPARED' AND next_check_at IS NULL
        """,
        (until_ms,),
    )


async def _lease(
    connection: Connection,
    which: str,
    lease_owner: UUID,
    until_ms: int,
    limit: int,
    not_of: Sequence[str],
) -> list[AttemptRow]:
    cursor = await connection.execute(
        _statement(_DUE.format(which=which)),
        (arrays.texts(not_of), limit, lease_owner, until_ms),
    )
    ids = [row["attempt_id"] for row in await cursor.fetchall()]
    return await read_attempts(connection, ids) if ids else []


async def make_due(
    connection: Connection, attempts: Sequence[tuple[UUID, UUID]], *, gap_ms: int
) -> int:
    """Make attempts in doubt due now, unless somebody looked a short while ago; gives how many.

    The older a charge, the longer the while: from `gap_ms` to a twentieth of its age. Leaves out
    attempts that are due by themselves soon enough: those under way, those being looked at.
    """
    cursor = await connection.execute(
        """
        UPDATE payment_attempt AS a SET next_check_at = now()
        FROM unnest(%s::uuid[], %s::uuid[]) AS these (attempt_id, donor_id)
        WHERE a.attempt_id = these.attempt_id AND a.donor_id = these.donor_id
          AND a.state = 'UNKNOWN' AND a.next_check_at > now()
          AND coalesce(a.looked_at, a.observed_at, a.dispatched_at) < now()
              - greatest(make_interval(secs => %s / 1000.0), (now() - a.dispatched_at) / 20)
        """,
        (
            arrays.uuids(attempt_id for attempt_id, _ in attempts),
            arrays.uuids(donor_id for _, donor_id in attempts),
            gap_ms,
        ),
    )
    return cursor.rowcount


async def make_due_again(connection: Connection, attempts: Sequence[tuple[UUID, UUID]]) -> int:
    """Make attempts due now in whatever state; gives how many.

    Leaves out those that are under way, not sent yet, or being looked at right now, and late money,
    about which somebody decides anyway.
    """
    cursor = await connection.execute(
        """
        UPDATE payment_attempt AS a SET next_check_at = now()
        FROM unnest(%s::uuid[], %s::uuid[]) AS these (attempt_id, donor_id)
        WHERE a.attempt_id = these.attempt_id AND a.donor_id = these.donor_id
          AND a.state NOT IN ('PREPARED', 'DISPATCHED', 'LATE_SUCCESS')
          AND coalesce(a.looked_at <= now(), true)
        """,
        (
            arrays.uuids(attempt_id for attempt_id, _ in attempts),
            arrays.uuids(donor_id for _, donor_id in attempts),
        ),
    )
    return cursor.rowcount


async def take_over(connection: Connection, attempt_id: UUID, donor_id: UUID) -> None:
    """Let nobody look at an attempt by schedule, nor anybody who looks at it now move it.

    What becomes of it is in other hands.
    """
    await connection.execute(
        """
        UPDATE payment_attempt
        SET next_check_at = NULL, version = version + 1
        WHERE attempt_id = %s AND donor_id = %s
        """,
        (attempt_id, donor_id),
    )


def _statement(sql: str) -> Any:
    """Psycopg wants a LiteralString; ours are made of constants of this module."""
    return sql
