"""SQL of the reviews."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from almoner.payments.attempt import AttemptRow, AttemptState
from almoner.payments.reviews.proposal import Proposal, Verdict
from almoner.platform import arrays
from almoner.platform.db import Connection

_PROPOSAL: Final = """
    SELECT p.proposal_id, p.attempt_id, p.attempt_version, p.attempt_state, p.decision,
           p.gateway_transaction_id, p.proposed_by, p.because,
           (extract(epoch FROM p.proposed_at) * 1000)::bigint AS proposed_ms,
           v.verdict, v.given_by, (extract(epoch FROM v.given_at) * 1000)::bigint AS given_ms
    FROM review_proposal AS p LEFT JOIN review_verdict AS v USING (proposal_id)
"""


async def insert_proposal(connection: Connection, proposal: Proposal, donor_id: UUID) -> None:
    """Write a proposal down."""
    await connection.execute(
        """
        INSERT INTO review_proposal (proposal_id, attempt_id, donor_id, attempt_version,
            attempt_state, decision, gateway_transaction_id, proposed_by, because, proposed_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, to_timestamp(%s / 1000::float8))
        """,
        (
            proposal.proposal_id,
            proposal.attempt_id,
            donor_id,
            proposal.attempt_version,
            proposal.attempt_state,
            proposal.decision,
            proposal.gateway_transaction_id,
            proposal.proposed_by,
            proposal.because,
            proposal.proposed_ms,
        ),
    )


async def insert_verdict(
    connection: Connection, proposal_id: UUID, verdict: Verdict, given_by: str, at_ms: int
) -> bool:
    """Answer a proposal; false if it was answered before."""
    cursor = await connection.execute(
        """
        INSERT INTO review_verdict (proposal_id, verdict, given_by, given_at)
        VALUES (%s, %s, %s, to_timestamp(%s / 1000::float8))
        ON CONFLICT DO NOTHING
        """,
        (proposal_id, verdict, given_by, at_ms),
    )
    return cursor.rowcount == 1


async def proposals_of(connection: Connection, attempt_ids: Sequence[UUID]) -> list[Proposal]:
    """Every proposal about some attempts, the oldest first."""
    cursor = await connection.execute(
        _PROPOSAL + "WHERE p.attempt_id = ANY (%s::uuid[]) ORDER BY p.proposal_id",
        (arrays.uuids(attempt_ids),),
    )
    return [_proposal(row) for row in await cursor.fetchall()]


async def hold_transaction(connection: Connection, gateway: str, transaction_id: str) -> None:
    """Let nobody else approve by the same transaction before this database transaction ends."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('review:' || %s || ':' || %s, 0))",
        (gateway, transaction_id),
    )


async def used_elsewhere(
    connection: Connection, attempt: AttemptRow, transaction_id: str
) -> UUID | None:
    """Another attempt that this transaction belongs to, or was just approved for.

    It reads all attempts: people decide seldom, and no gift pays for an index that only they need.
    """
    cursor = await connection.execute(
        """
        SELECT attempt_id FROM payment_attempt
        WHERE gateway = %s AND gateway_transaction_id = %s AND attempt_id <> %s
        UNION ALL
        SELECT a.attempt_id
        FROM review_proposal AS p
        JOIN review_verdict AS v ON v.proposal_id = p.proposal_id AND v.verdict = 'approved'
        JOIN payment_attempt AS a ON a.attempt_id = p.attempt_id AND a.donor_id = p.donor_id
        WHERE p.decision = 'charged' AND p.gateway_transaction_id = %s AND a.gateway = %s
          AND a.attempt_id <> %s AND a.state = p.attempt_state AND a.version = p.attempt_version
        LIMIT 1
        """,
        (
            attempt.gateway,
            transaction_id,
            attempt.attempt_id,
            transaction_id,
            attempt.gateway,
            attempt.attempt_id,
        ),
    )
    row = await cursor.fetchone()
    return None if row is None else row["attempt_id"]


async def unusual_attempts(connection: Connection) -> list[UUID]:
    """Attempts that people should see, the oldest first.

    In review; money that turned up late; a second transaction that nobody has given back; and
    whatever is promised back.
    """
    cursor = await connection.execute(
        """
        SELECT attempt_id FROM payment_attempt WHERE state IN ('NEEDS_REVIEW', 'LATE_SUCCESS')
        UNION
        SELECT o.attempt_id FROM gateway_operation AS o
        WHERE o.gateway_code = 'second_transaction' AND NOT EXISTS (
            SELECT FROM money_return AS m
            WHERE m.attempt_id = o.attempt_id AND m.done_at IS NOT NULL
              AND m.gateway_transaction_id = o.gateway_transaction_id)
        UNION
        SELECT attempt_id FROM money_return WHERE done_at IS NULL
        ORDER BY attempt_id
        """
    )
    return [row["attempt_id"] for row in await cursor.fetchall()]


async def second_transactions(
    connection: Connection, attempt_ids: Sequence[UUID]
) -> dict[UUID, list[str]]:
    """Transactions that were seen captured beside the one in the books, by attempt."""
    cursor = await connection.execute(
        """
        SELECT attempt_id, array_agg(DISTINCT gateway_transaction_id) AS transactions
        FROM gateway_operation
        WHERE gateway_code = 'second_transaction' AND attempt_id = ANY (%s::uuid[])
        GROUP BY attempt_id
        """,
        (arrays.uuids(attempt_ids),),
    )
    return {row["attempt_id"]: row["transactions"] for row in await cursor.fetchall()}


def _proposal(row: dict[str, Any]) -> Proposal:
    state = AttemptState(row.pop("attempt_state"))
    return Proposal(attempt_state=state, **row)
