"""SQL of the payments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from almoner.money import Money
from almoner.payments.attempt import Attempt, AttemptRow, AttemptState
from almoner.payments.outcome import Outcome
from almoner.platform import arrays
from almoner.platform.db import Connection


async def insert_dispatched(
    connection: Connection, attempts: Sequence[Attempt], check_after_ms: int
) -> None:
    """Insert attempts with their dispatch stamp."""
    await connection.execute(
        """
        INSERT INTO payment_attempt (attempt_id, donor_id, payable_id, number, gateway, state,
            amount_minor, currency, merchant_account, lease_owner, dispatched_at, next_check_at)
        SELECT attempt_id, donor_id, payable_id, number, gateway, 'DISPATCHED', amount_minor,
               currency, merchant_account, lease_owner,
               to_timestamp(dispatched_ms / 1000::float8),
               to_timestamp((dispatched_ms + %s::bigint) / 1000::float8)
        FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::smallint[], %s::text[], %s::bigint[],
                    %s::text[], %s::text[], %s::uuid[], %s::bigint[])
             AS new (attempt_id, donor_id, payable_id, number, gateway, amount_minor, currency,
                     merchant_account, lease_owner, dispatched_ms)
        """,
        (
            check_after_ms,
            arrays.uuids(a.attempt_id for a in attempts),
            arrays.uuids(a.donor_id for a in attempts),
            arrays.uuids(a.payable_id for a in attempts),
            arrays.integers(a.number for a in attempts),
            arrays.texts(a.gateway for a in attempts),
            arrays.integers(a.money.amount_minor for a in attempts),
            arrays.texts(a.money.currency for a in attempts),
            arrays.texts(a.merchant_account for a in attempts),
            arrays.uuids(a.lease_owner for a in attempts),
            arrays.integers(a.dispatched_ms for a in attempts),
        ),
        prepare=True,
    )


async def insert_prepared(connection: Connection, attempts: Sequence[Attempt]) -> None:
    """Insert attempts without a stamp: nothing may be sent for them."""
    await connection.execute(
        """
        INSERT INTO payment_attempt (attempt_id, donor_id, payable_id, number, gateway, state,
            amount_minor, currency, merchant_account, lease_owner)
        SELECT attempt_id, donor_id, payable_id, number, gateway, 'PREPARED', amount_minor,
               currency, merchant_account, lease_owner
        FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::smallint[], %s::text[], %s::bigint[],
                    %s::text[], %s::text[], %s::uuid[])
             AS new (attempt_id, donor_id, payable_id, number, gateway, amount_minor, currency,
                     merchant_account, lease_owner)
        """,
        (
            arrays.uuids(a.attempt_id for a in attempts),
            arrays.uuids(a.donor_id for a in attempts),
            arrays.uuids(a.payable_id for a in attempts),
            arrays.integers(a.number for a in attempts),
            arrays.texts(a.gateway for a in attempts),
            arrays.integers(a.money.amount_minor for a in attempts),
            arrays.texts(a.money.currency for a in attempts),
            arrays.texts(a.merchant_account for a in attempts),
            arrays.uuids(a.lease_owner for a in attempts),
        ),
    )


async def abandon_prepared(
    connection: Connection, attempts: Sequence[tuple[Attempt, str]], at_ms: int
) -> None:
    """Move attempts that were never stamped to ABANDONED, each with its decline code."""
    await connection.execute(
        """
        UPDATE payment_attempt AS a
        SET state = 'ABANDONED', version = a.version + 1, decline_code = mine.decline_code,
            observed_at = to_timestamp(%s::bigint / 1000::float8)
        FROM unnest(%s::uuid[], %s::uuid[], %s::text[])
             AS mine (attempt_id, donor_id, decline_code)
        WHERE a.attempt_id = mine.attempt_id AND a.donor_id = mine.donor_id
          AND a.state = 'PREPARED'
        """,
        (
            at_ms,
            arrays.uuids(a.attempt_id for a, _ in attempts),
            arrays.uuids(a.donor_id for a, _ in attempts),
            arrays.texts(code for _, code in attempts),
        ),
    )


async def move_attempts(connection: Connection, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Move attempts whose version and lease are still the ones the mover saw.

    A look that changes no state leaves what the state was seen by, and when, as it is.
    """
    cursor = await connection.execute(
        """
        UPDATE payment_attempt AS a
        SET state = new.state, version = a.version + 1,
            gateway_transaction_id = CASE WHEN a.state = new.state
                THEN coalesce(a.gateway_transaction_id, new.gateway_transaction_id)
                ELSE coalesce(new.gateway_transaction_id, a.gateway_transaction_id) END,
            decline_code = new.decline_code,
            observed_at = CASE WHEN a.state = new.state AND a.observed_at IS NOT NULL
                THEN a.observed_at ELSE to_timestamp(new.finished_ms / 1000::float8) END,
            captured_at = CASE
                WHEN a.captured_at IS NOT NULL THEN a.captured_at
                WHEN a.state IN ('SUBMITTED', 'SETTLED', 'DISPUTED', 'LATE_SUCCESS')
                    THEN a.observed_at
                WHEN new.state IN ('SUBMITTED', 'SETTLED', 'DISPUTED', 'LATE_SUCCESS')
                    THEN to_timestamp(new.finished_ms / 1000::float8) END,
            looked_at = CASE WHEN new.next_check_ms IS NOT NULL
                THEN to_timestamp(new.finished_ms / 1000::float8) END,
            next_check_at = to_timestamp(new.next_check_ms / 1000::float8),
            checks = new.checks, misses = new.misses
        FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::int[], %s::text[], %s::text[],
                    %s::text[], %s::bigint[], %s::bigint[], %s::smallint[], %s::smallint[])
             AS new (attempt_id, donor_id, version, lease_epoch, state, gateway_transaction_id,
                     decline_code, finished_ms, next_check_ms, checks, misses)
        WHERE a.attempt_id = new.attempt_id AND a.donor_id = new.donor_id
          AND a.version = new.version AND a.lease_epoch = new.lease_epoch
        RETURNING a.attempt_id
        """,
        (
            arrays.uuids(o.attempt_id for o in outcomes),
            arrays.uuids(o.donor_id for o in outcomes),
            arrays.integers(o.version for o in outcomes),
            arrays.integers(o.lease_epoch for o in outcomes),
            arrays.texts(o.state for o in outcomes),
            arrays.texts(o.gateway_transaction_id for o in outcomes),
            arrays.texts(o.decline_code for o in outcomes),
            arrays.integers(o.finished_ms for o in outcomes),
            arrays.integers(o.next_check_ms for o in outcomes),
            arrays.integers(o.checks for o in outcomes),
            arrays.integers(o.misses for o in outcomes),
        ),
        prepare=True,
    )
    return {row["attempt_id"] for row in await cursor.fetchall()}


async def insert_operations(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Insert what was asked of the gateway and what it answered."""
    await connection.execute(
        """
        INSERT INTO gateway_operation (operation_id, donor_id, attempt_id, kind, request_key,
            outcome, gateway_transaction_id, gateway_code, started_at, finished_at,
            attempt_version)
        SELECT operation_id, donor_id, attempt_id, kind, request_key, outcome,
               gateway_transaction_id, gateway_code, to_timestamp(started_ms / 1000::float8),
               to_timestamp(finished_ms / 1000::float8), version
        FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[],
                    %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::int[])
             AS new (operation_id, donor_id, attempt_id, kind, request_key, outcome,
                     gateway_transaction_id, gateway_code, started_ms, finished_ms, version)
        """,
        (
            arrays.uuids(o.operation_id for o in outcomes),
            arrays.uuids(o.donor_id for o in outcomes),
            arrays.uuids(o.attempt_id for o in outcomes),
            arrays.texts(o.operation_kind for o in outcomes),
            arrays.texts(o.request_key for o in outcomes),
            arrays.texts(o.state for o in outcomes),
            arrays.texts(o.gateway_transaction_id for o in outcomes),
            arrays.texts(o.gateway_code for o in outcomes),
            arrays.integers(o.started_ms for o in outcomes),
            arrays.integers(o.finished_ms for o in outcomes),
            arrays.integers(o.version + 1 for o in outcomes),
        ),
        prepare=True,
    )


async def read_operations(connection: Connection, attempt_id: UUID) -> list[dict[str, Any]]:
    """The operations of an attempt, the first one first."""
    cursor = await connection.execute(
        """
        SELECT kind, outcome, attempt_version, request_key, gateway_transaction_id, gateway_code,
               (extract(epoch FROM started_at) * 1000)::bigint AS started_ms,
               (extract(epoch FROM finished_at) * 1000)::bigint AS finished_ms
        FROM gateway_operation WHERE attempt_id = %s
        ORDER BY coalesce(attempt_version, 0), finished_at, operation_id
        """,
        (attempt_id,),
    )
    return await cursor.fetchall()


_ATTEMPT: Final = """
    SELECT attempt_id, donor_id, payable_id, number, gateway, state, amount_minor, currency,
           version, lease_owner, lease_epoch,
           (extract(epoch FROM coalesce(dispatched_at, next_check_at, now())) * 1000)::bigint
               AS dispatched_ms,
           (extract(epoch FROM observed_at) * 1000)::bigint AS observed_ms,
           gateway_transaction_id, decline_code, checks, misses, merchant_account,
           (extract(epoch FROM captured_at) * 1000)::bigint AS captured_ms,
           (extract(epoch FROM looked_at) * 1000)::bigint AS looked_ms,
           (extract(epoch FROM next_check_at) * 1000)::bigint AS next_check_ms
    FROM payment_attempt
"""
"""One that was never stamped counts from the time at which it is given up."""


async def read_attempts(connection: Connection, attempt_ids: Sequence[UUID]) -> list[AttemptRow]:
    """Attempts by id, whichever donor they belong to."""
    cursor = await connection.execute(
        _ATTEMPT + "WHERE attempt_id = ANY (%s::uuid[])", (arrays.uuids(attempt_ids),)
    )
    return [_attempt_row(row) for row in await cursor.fetchall()]


async def latest_attempts(
    connection: Connection, payables: Sequence[tuple[UUID, UUID]]
) -> dict[UUID, AttemptRow]:
    """The newest attempt for each (payable, donor)."""
    cursor = await connection.execute(
        _ATTEMPT
        + """
        WHERE (payable_id, donor_id) IN
              (SELECT * FROM unnest(%s::uuid[], %s::uuid[]))
        ORDER BY payable_id, number
        """,
        (arrays.uuids(p for p, _ in payables), arrays.uuids(d for _, d in payables)),
    )
    return {row["payable_id"]: _attempt_row(row) for row in await cursor.fetchall()}


async def attempts_for(
    connection: Connection, payable_id: UUID, donor_id: UUID
) -> list[AttemptRow]:
    """All attempts for a payable, the first one first."""
    cursor = await connection.execute(
        _ATTEMPT + "WHERE payable_id = %s AND donor_id = %s ORDER BY number",
        (payable_id, donor_id),
    )
    return [_attempt_row(row) for row in await cursor.fetchall()]


async def lock_unchanged(connection: Connection, attempt: AttemptRow) -> bool:
    """Hold an attempt until the transaction ends; false if it is not as it was read."""
    cursor = await connection.execute(
        """
        SELECT FROM payment_attempt
        WHERE attempt_id = %s AND donor_id = %s AND version = %s AND state = %s
        FOR UPDATE
        """,
        (attempt.attempt_id, attempt.donor_id, attempt.version, attempt.state),
    )
    return cursor.rowcount == 1


async def withdraw_unsent(
    connection: Connection, attempts: Sequence[Attempt], operation_ids: Sequence[UUID], at_ms: int
) -> int:
    """Move what was stamped for these requests, and provably never sent, to NOT_SENT.

    By the request that owns the stamp, and not by the attempt's id: which number an attempt got
    is not known where the commit went unanswered, and the same id may meanwhile have been stamped
    for another request, which is sending it. Gives how many there were, with their operations.
    """
    cursor = await connection.execute(
        """
        WITH moved AS (
            UPDATE payment_attempt AS a
            SET state = 'NOT_SENT', version = a.version + 1, observed_at = seen_at,
                next_check_at = seen_at + interval '1 hour'
            FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[])
                 AS mine (payable_id, donor_id, lease_owner, operation_id),
                 to_timestamp(%s / 1000::float8) AS seen_at
            WHERE a.payable_id = mine.payable_id AND a.donor_id = mine.donor_id
              AND a.lease_owner = mine.lease_owner AND a.state = 'DISPATCHED' AND a.version = 1
            RETURNING a.attempt_id, a.donor_id, a.version, mine.operation_id, seen_at
        )
        INSERT INTO gateway_operation (operation_id, donor_id, attempt_id, kind, request_key,
            outcome, started_at, finished_at, attempt_version)
        SELECT operation_id, donor_id, attempt_id, 'withdraw',
               replace(attempt_id::text, '-', '') || ':withdraw', 'NOT_SENT', seen_at, seen_at,
               version
        FROM moved
        """,
        (
            arrays.uuids(a.payable_id for a in attempts),
            arrays.uuids(a.donor_id for a in attempts),
            arrays.uuids(a.lease_owner for a in attempts),
            arrays.uuids(operation_ids),
            at_ms,
        ),
    )
    return cursor.rowcount


def _attempt_row(row: dict[str, Any]) -> AttemptRow:
    amount_minor, currency = row.pop("amount_minor"), row.pop("currency")
    state = AttemptState(row.pop("state"))
    return AttemptRow(state=state, money=Money(amount_minor, currency), **row)
