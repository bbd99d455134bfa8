"""A worker is struck at every statement while it brings a payout into the books."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from exhaustive.wire import STRIKES, Strike
from support.donor import gift
from support.tamper import tamper

BALANCES = """
    SELECT string_agg(account || ' ' || minor, ', ' ORDER BY account) FROM (
        SELECT account, sum(amount_minor) AS minor FROM ledger_entry GROUP BY account) AS b
"""


@pytest.mark.parametrize("strike", STRIKES)
async def test_a_worker_struck_at_every_statement_settles_a_payout_once(
    struck: Callable[..., Any], strike: Strike
) -> None:
    """Two charges and their payout: the next import finishes what the struck one left, to the last
    cent, and never a second time."""
    aside = await struck()
    almoner = aside.almoner
    books = almoner.work.books

    for rounds, at in enumerate(
        aside.each_moment("INSERT INTO payout", "UPDATE payment_attempt"), 1
    ):
        for _ in range(2):
            key = {"Idempotency-Key": str(uuid4())}
            await almoner.client.post("/donations", json=gift(), headers=key)
        await books.gateway.record.close_batch()
        await aside.run(at, strike, "work", loop="settlement")
        await books.settlement.new("sandbox", books.gateway)
        where = f"{strike} {at}: {aside.moments.struck}"
        assert await almoner.value(BALANCES) == (
            f"bank:usd {9650 * rounds}, charity_income:101 {-10000 * rounds}, "
            f"gateway_fees:sandbox {350 * rounds}, gateway_receivable:sandbox 0, "
            f"payout_clearing:sandbox 0"
        ), where
        tamper(almoner.settings.servers.database_url, "DELETE FROM match_run")

    assert len(aside.labels) >= 15, aside.labels
