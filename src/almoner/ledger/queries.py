"""SQL of the books."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.ledger.transfer import Transfer
from almoner.platform import arrays
from almoner.platform.db import Connection


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
