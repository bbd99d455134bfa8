"""The rebuild from the gateway is struck at every statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from exhaustive.wire import STRIKES, Strike
from support.donor import CHARITY_ID, gift
from support.tamper import tamper

LOST = (
    "ledger_entry", "event", "delivery", "inbox", "charity_total", "gateway_operation",
    "payment_attempt", "donation", "idempotency_record", "donor", "recovered_charge",
)  # fmt: skip
BALANCES = """
    SELECT string_agg(account || ' ' || minor, ', ' ORDER BY account) FROM (
        SELECT account, sum(amount_minor) AS minor FROM ledger_entry GROUP BY account) AS b
    WHERE minor <> 0
"""

BECAME = """
    SELECT string_agg(became || ' ' || reason, ', ' ORDER BY became) FROM recovered_charge
"""


@pytest.mark.parametrize("strike", STRIKES)
async def test_a_rebuild_struck_at_every_statement_brings_back_each_charge_once(
    struck: Callable[..., Any], strike: Strike
) -> None:
    """A gift that the database has lost, and a charge that names nobody: whatever the struck
    rebuild left, the next one finishes. One donation, one sum that people decide about."""
    aside = await struck()
    almoner = aside.almoner
    database, sandbox = almoner.settings.servers.database_url, almoner.settings.sandbox_url
    rebuilding = almoner.work.rebuilding()

    for at in aside.each_moment("INSERT INTO recovered_charge", "INSERT INTO payment_attempt"):
        tamper(sandbox, "DELETE FROM sandbox_charge")
        tamper(database, *(f"DELETE FROM {table}" for table in LOST))
        key, body = {"Idempotency-Key": str(uuid4())}, gift()
        told = await almoner.client.post("/donations", json=body, headers=key)
        await almoner.client.post(
            "/donations", json=gift(), headers={"Idempotency-Key": str(uuid4())}
        )
        tamper(
            sandbox,
            "UPDATE sandbox_charge SET payable_id = NULL WHERE payable_id <> "
            f"'{told.json()['donation_id']}'",
        )
        tamper(database, *(f"DELETE FROM {table}" for table in LOST))

        await aside.run(at, strike, "rebuild", when_ready=True)
        await rebuilding.run()
        while await almoner.work.resolver.sweep():
            pass
        await rebuilding.release()
        end = await almoner.client.post("/donations", json=body, headers=key)

        where = f"{strike} {at}: {aside.moments.struck}"
        assert end.status_code == 201, where
        assert end.json()["transaction_id"] == told.json()["transaction_id"], where
        assert len(await almoner.charged()) == 2, where
        assert await almoner.value(BALANCES) == (
            f"charity_income:{CHARITY_ID} -5000, gateway_receivable:sandbox 10000, suspense -5000"
        ), where
        assert await almoner.value(BECAME) == "donation recovered, suspense no_reference", where

    assert len(aside.labels) >= 10, aside.labels
    almoner.expected_broken = await almoner.broken()
    assert set(almoner.expected_broken) <= {"recovered_has_donation", "matches_sandbox"}
