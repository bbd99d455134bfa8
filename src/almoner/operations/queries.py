"""SQL of the audit.

It reads every feature's tables on purpose, and shares no code with what writes them: a check that
used the same code would repeat its mistakes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from msgspec import Struct

from almoner.money import Money
from almoner.platform import arrays
from almoner.platform.db import Database

CAPTURED: Final = "('SUBMITTED', 'SETTLED', 'DISPUTED', 'LATE_SUCCESS')"
LIVE: Final = (
    "('PREPARED', 'DISPATCHED', 'UNKNOWN', 'REQUIRES_ACTION', 'AUTHORIZED', 'SUBMITTED', "
    "'SETTLED', 'DISPUTED', 'NEEDS_REVIEW')"
)

CAPTURED_TWICE: Final = f"""
    SELECT payable_id::text FROM payment_attempt WHERE state IN {CAPTURED}
    GROUP BY payable_id HAVING count(*) > 1
"""
LIVE_TWICE: Final = f"""
    SELECT payable_id::text FROM payment_attempt WHERE state IN {LIVE}
    GROUP BY payable_id HAVING count(*) > 1
"""
KEY_WITHOUT_DONATION: Final = """
    SELECT donation_id::text FROM idempotency_record AS r
    WHERE NOT EXISTS (SELECT FROM donation AS d
                      WHERE d.donation_id = r.donation_id AND d.donor_id = r.donor_id)
"""
DONATION_WITHOUT_KEY: Final = """
    SELECT donation_id::text FROM donation AS d
    WHERE NOT EXISTS (SELECT FROM idempotency_record AS r WHERE r.donation_id = d.donation_id)
"""
DONATION_WITHOUT_ATTEMPT: Final = """
    SELECT donation_id::text FROM donation AS d
    WHERE NOT EXISTS (SELECT FROM payment_attempt AS a
                      WHERE a.payable_id = d.donation_id AND a.donor_id = d.donor_id)
"""
ATTEMPT_FOR_ANOTHER_SUM: Final = """
    SELECT a.attempt_id::text FROM payment_attempt AS a
    JOIN donation AS d ON d.donation_id = a.payable_id AND d.donor_id = a.donor_id
    WHERE a.amount_minor <> d.amount_minor OR a.currency <> d.currency
"""
TOLD_PAID_WITHOUT_CAPTURE: Final = """
    SELECT r.donation_id::text FROM idempotency_record AS r
    WHERE r.response_status = 201 AND NOT EXISTS (
        SELECT FROM payment_attempt AS a
        WHERE a.payable_id = r.donation_id AND a.donor_id = r.donor_id
          AND a.state NOT IN ('PREPARED', 'DISPATCHED', 'UNKNOWN', 'DECLINED', 'NOT_SENT',
                              'NOT_CHARGED', 'ABANDONED', 'EXPIRED')
          AND convert_from(r.response_body, 'UTF8')::jsonb ->> 'transaction_id'
              = a.gateway_transaction_id)
"""
TOLD_UNPAID_WITH_CAPTURE: Final = f"""
    SELECT r.donation_id::text FROM idempotency_record AS r
    WHERE r.response_status = 402 AND EXISTS (
        SELECT FROM payment_attempt AS a
        WHERE a.payable_id = r.donation_id AND a.donor_id = r.donor_id
          AND a.state IN {LIVE})
"""
FINAL_WITHOUT_ANSWER: Final = """
    SELECT a.payable_id::text FROM payment_attempt AS a
    JOIN idempotency_record AS r ON r.donation_id = a.payable_id
    WHERE a.state IN ('SUBMITTED', 'SETTLED', 'DECLINED', 'NOT_CHARGED')
      AND r.response_status IS NULL AND r.created_at > now() - interval '29 days'
"""
DOUBT_TOO_OLD: Final = """
    SELECT attempt_id::text FROM payment_attempt
    WHERE state IN ('PREPARED', 'DISPATCHED', 'UNKNOWN')
      AND dispatched_at < now() - interval '8 days'
"""
DOUBT_FORGOTTEN: Final = """
    SELECT attempt_id::text FROM payment_attempt
    WHERE state IN ('DISPATCHED', 'UNKNOWN') AND next_check_at IS NULL
"""
TRANSFER_NOT_ZERO: Final = """
    SELECT transfer_id::text FROM ledger_entry
    GROUP BY transfer_id, currency HAVING sum(amount_minor) <> 0
"""
CAPTURE_WITHOUT_POSTING: Final = f"""
    SELECT a.attempt_id::text FROM payment_attempt AS a
    WHERE a.state IN {CAPTURED} AND NOT EXISTS (
        SELECT FROM ledger_entry AS l
        WHERE l.donor_id = a.donor_id AND l.source_kind = 'capture'
          AND l.source_id = a.attempt_id AND l.leg = 1
          AND l.amount_minor = a.amount_minor AND l.currency = a.currency)
"""
POSTING_WITHOUT_CAPTURE: Final = """
    SELECT l.transfer_id::text FROM ledger_entry AS l
    WHERE l.source_kind = 'capture' AND NOT EXISTS (
        SELECT FROM payment_attempt AS a
        WHERE a.attempt_id = l.source_id AND a.donor_id = l.donor_id
          AND a.gateway_transaction_id IS NOT NULL AND a.state <> 'DECLINED')
"""
POSTED_TWICE: Final = """
    SELECT source_id::text FROM ledger_entry
    GROUP BY source_kind, source_id, leg HAVING count(*) > 1
"""
PAID_WITHOUT_ONE_EVENT: Final = f"""
    SELECT a.attempt_id::text FROM payment_attempt AS a
    LEFT JOIN event AS e ON e.donation_id = a.payable_id AND e.donor_id = a.donor_id
         AND e.kind = 'donation.paid'
    WHERE a.state IN {CAPTURED}
    GROUP BY a.attempt_id HAVING count(e.event_id) <> 1
"""
GUARD_MISSING: Final = """
    SELECT wanted FROM unnest(ARRAY['payment_attempt_guard', 'payment_attempt_birth',
        'ledger_entry_zero_sum', 'ledger_entry_append_only', 'ledger_entry_no_truncate']) AS wanted
    WHERE NOT EXISTS (SELECT FROM pg_trigger
                      WHERE tgname = wanted AND tgenabled IN ('O', 'A') AND tgparentid = 0)
    UNION ALL
    SELECT 'payment_attempt_one_live' WHERE NOT EXISTS (
        SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE relname = 'payment_attempt_one_live' AND indisunique AND indisvalid)
"""


class AuditedAttempt(Struct, frozen=True):
    """What the match with the gateway compares."""

    order_id: str
    state: str
    gateway_transaction_id: str | None
    money: Money


async def attempts_by_order(database: Database, gateway: str) -> AsyncIterator[AuditedAttempt]:
    """All attempts through a gateway by ascending order id, a few thousand at a time."""
    last = UUID(int=0)
    while rows := await database.fetch_all(
        """
        SELECT attempt_id, state, gateway_transaction_id, amount_minor, currency
        FROM payment_attempt WHERE gateway = %s AND attempt_id > %s
        ORDER BY attempt_id LIMIT 5000
        """,
        (gateway, last),
    ):
        for row in rows:
            yield AuditedAttempt(
                row["attempt_id"].hex,
                row["state"],
                row["gateway_transaction_id"],
                Money(row["amount_minor"], row["currency"]),
            )
        last = rows[-1]["attempt_id"]


async def attempts_of(database: Database, order_ids: list[str]) -> dict[str, AuditedAttempt]:
    """Some attempts, read again."""
    rows = await database.fetch_all(
        """
        SELECT attempt_id, state, gateway_transaction_id, amount_minor, currency
        FROM payment_attempt WHERE attempt_id = ANY (%s::uuid[])
        """,
        (arrays.uuids(UUID(order_id) for order_id in order_ids),),
    )
    return {
        row["attempt_id"].hex: AuditedAttempt(
            row["attempt_id"].hex,
            row["state"],
            row["gateway_transaction_id"],
            Money(row["amount_minor"], row["currency"]),
        )
        for row in rows
    }
