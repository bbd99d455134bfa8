"""Invariant 11: the ledger and the gateway agree."""

from __future__ import annotations

from collections.abc import AsyncIterator

from almoner.operations.finding import Finding
from almoner.operations.invariant import CAPTURED, Check, Invariant
from almoner.operations.match_gateway import match_gateway
from almoner.operations.view import View


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
            WHERE a.state IN {CAPTURED} AND NOT EXISTS (
                SELECT FROM ledger_entry AS l
                WHERE l.donor_id = a.donor_id AND l.source_kind = 'capture'
                  AND l.source_id = a.attempt_id AND l.leg = 1
                  AND l.amount_minor = a.amount_minor AND l.currency = a.currency)
            """,
        ),
        Check(
            "posting_is_captured",
            "Every posted capture was captured.",
            """
            SELECT l.transfer_id::text FROM {entries} AS l
            WHERE l.source_kind = 'capture' AND NOT EXISTS (
                SELECT FROM payment_attempt AS a
                WHERE a.attempt_id = l.source_id AND a.donor_id = l.donor_id
                  AND a.gateway_transaction_id IS NOT NULL AND a.state <> 'DECLINED')
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
