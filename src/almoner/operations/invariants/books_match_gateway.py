"""Invariant 11: the ledger and the gateway agree."""

from __future__ import annotations

from collections.abc import AsyncIterator

from almoner.operations.finding import Finding
from almoner.operations.invariant import IN_INCOME, Check, Invariant
from almoner.operations.match_gateway import match_gateway
from almoner.operations.view import View

_INCOME = """(
    SELECT source_id, donor_id, currency,
           sum(CASE source_kind WHEN 'undone' THEN -amount_minor ELSE amount_minor END)
               AS amount_minor
    FROM {entries} AS l
    WHERE leg = 1 AND source_kind IN ('capture', 'adoption', 'undone')
    GROUP BY source_id, donor_id, currency)"""
"""What stands in a charity's income because of an attempt."""

_SUSPENSE = """(
    SELECT source_id, donor_id, currency,
           sum(CASE source_kind WHEN 'late_success' THEN amount_minor ELSE -amount_minor END)
               AS amount_minor
    FROM {entries} AS l
    WHERE leg = 1 AND source_kind IN ('late_success', 'adoption', 'reversal')
    GROUP BY source_id, donor_id, currency
    HAVING sum(CASE source_kind WHEN 'late_success' THEN amount_minor ELSE -amount_minor END) <> 0
)"""
"""What stands in the account suspense because of an attempt."""


class BooksMatchGateway(Invariant):
    """The books say what the attempts say, and the attempts what the gateway's own record says."""

    number = 11
    sentence = "Ledger = gateway, suspense 0."
    checks = (
        Check(
            "capture_is_posted",
            "Every capture is in the ledger, with its amount.",
            f"""
            SELECT a.attempt_id::text FROM {{attempts}} AS a
            LEFT JOIN {_INCOME} AS i ON i.source_id = a.attempt_id
                 AND i.donor_id = a.donor_id AND i.currency = a.currency
            WHERE a.state IN {IN_INCOME} AND i.amount_minor IS DISTINCT FROM a.amount_minor
            """,
        ),
        Check(
            "posting_is_captured",
            "Every posted capture was captured.",
            f"""
            SELECT i.source_id::text FROM {_INCOME} AS i
            WHERE i.amount_minor <> 0 AND NOT EXISTS (
                SELECT FROM payment_attempt AS a
                WHERE a.attempt_id = i.source_id AND a.donor_id = i.donor_id
                  AND a.state IN {IN_INCOME})
            """,
        ),
        Check(
            "suspense_is_late_money",
            "Of attempts, the account suspense holds late money and nothing else.",
            f"""
            SELECT coalesce(a.attempt_id, s.source_id)::text
            FROM (SELECT * FROM {{attempts}} AS p WHERE state = 'LATE_SUCCESS') AS a
            FULL JOIN {_SUSPENSE} AS s ON s.source_id = a.attempt_id
                 AND s.donor_id = a.donor_id AND s.currency = a.currency
            WHERE s.amount_minor IS DISTINCT FROM a.amount_minor
            """,
        ),
        Check(
            "receivable_is_owed",
            "A gateway owes us what it captured and has not settled, charge by charge.",
            """
            SELECT a.attempt_id::text FROM {attempts} AS a
            LEFT JOIN ledger_entry AS f
                 ON f.source_id = a.attempt_id AND f.donor_id = a.donor_id AND f.leg = 1
            LEFT JOIN ledger_entry AS l
                 ON l.transfer_id = f.transfer_id AND l.donor_id = f.donor_id
                 AND l.account = 'gateway_receivable:' || a.gateway
            GROUP BY a.attempt_id, a.state, a.amount_minor
            HAVING coalesce(sum(l.amount_minor), 0)
                   <> CASE WHEN a.state IN ('SUBMITTED', 'LATE_SUCCESS') THEN a.amount_minor
                           ELSE 0 END
            """,
        ),
        Check(
            "payout_is_posted",
            "Every payout is in the books with what arrived, and nothing else is.",
            """
            SELECT gateway || ' ' || payout_id FROM payout AS p
            WHERE net_minor <> 0 AND NOT EXISTS (
                SELECT FROM ledger_entry AS l
                WHERE l.source_kind = 'payout' AND l.source_id = p.source_id
                  AND l.account = 'bank:' || lower(p.currency) AND l.currency = p.currency
                  AND l.amount_minor = p.net_minor)
            UNION ALL
            SELECT transfer_id::text FROM {entries} AS l
            WHERE l.source_kind = 'payout' AND starts_with(l.account, 'bank:')
              AND NOT EXISTS (SELECT FROM payout AS p WHERE p.source_id = l.source_id)
            """,
        ),
    )

    async def look(self, view: View) -> AsyncIterator[Finding]:
        """The checks, and at night the comparison with the gateway, charge by charge."""
        async for finding in super().look(view):
            yield finding
        if view.gateway is not None and view.nightly:
            finding, view.match = await match_gateway(view.database, view.gateway)
            yield finding
