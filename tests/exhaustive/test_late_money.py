"""A worker is struck at every statement while it decides about late money, and gives it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from exhaustive.wire import STRIKES, Strike
from support.donor import gift
from support.installation import Installation
from support.tamper import tamper

CAPTURE = "UPDATE sandbox_charge SET captured = true, state = 'submitted' WHERE order_id = '{}'"
FAIL = "UPDATE sandbox_charge SET state = 'settlement_failed' WHERE order_id = '{}'"
DUE = "UPDATE payment_attempt SET next_check_at = now() WHERE attempt_id = '{}'"
STATE = "SELECT state FROM payment_attempt WHERE attempt_id = %s"
ATTEMPT = "SELECT attempt_id FROM payment_attempt WHERE payable_id = %s"
SUSPENSE = "SELECT coalesce(sum(amount_minor), 0) FROM ledger_entry WHERE account = 'suspense'"
PROMISES = """
    SELECT count(*) || ' ' || count(done_at) FROM money_return WHERE attempt_id = %s
"""
INCOME = """
    SELECT coalesce(-sum(amount_minor), 0) FROM ledger_entry WHERE account LIKE 'charity_income:%%'
"""
TOLD = """
    SELECT string_agg(kind, ' ' ORDER BY occurred_at, event_id) FROM event WHERE donation_id = %s
"""
PASSED = {
    "late money": ("INSERT INTO money_return",),
    "giving back": ("UPDATE sandbox_charge", "UPDATE money_return"),
}
GIVEN_BACK = "donation.not_paid donation.late_success donation.money_returned"


async def late(almoner: Installation, first: str, *afterwards: str, **fields: Any) -> Any:
    """A gift whose money turned up after its end, and was seen: its answer and its attempt."""
    told = await almoner.client.post(
        "/donations", json=gift(**fields), headers={"Idempotency-Key": str(uuid4())}
    )
    attempt_id = await almoner.value(ATTEMPT, told.json()["donation_id"])
    for change in (first, *afterwards):
        tamper(almoner.settings.sandbox_url, change.format(attempt_id.hex))
        await look_now(almoner, attempt_id)
        while await almoner.work.resolver.sweep():
            pass
    assert await almoner.value(STATE, attempt_id) == "LATE_SUCCESS"
    await look_now(almoner, attempt_id)
    return told, attempt_id


async def look_now(almoner: Installation, attempt_id: Any) -> None:
    """Its turn has come, and no lease is left."""
    tamper(almoner.settings.servers.database_url, DUE.format(attempt_id))


async def heal(almoner: Installation, attempt_id: Any) -> None:
    """What the next worker does, when the leases of the last one have run out."""
    await look_now(almoner, attempt_id)
    tamper(
        almoner.settings.servers.database_url,
        "UPDATE money_return SET next_try_at = now() WHERE done_at IS NULL",
    )
    await almoner.decide_late()


async def captured(almoner: Installation, attempt_id: Any) -> bool:
    """Whether the gateway holds its money."""
    return dict(await almoner.orders())[attempt_id.hex]


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("loop", ["late money", "giving back"])
async def test_a_worker_struck_at_every_statement_gives_late_money_back_once(
    struck: Callable[..., Any], loop: str, strike: Strike
) -> None:
    """The donor was told "not charged". Whatever the struck one left, there is one promise, kept
    once, under one key; the books and the gateway hold nothing; and it is told once."""
    aside = await struck()
    almoner = aside.almoner

    for at in aside.each_moment(*PASSED[loop]):
        told, attempt_id = await late(almoner, CAPTURE, amount="2001.00")
        if loop == "giving back":
            await almoner.work.late_money.sweep()
        await aside.run(at, strike, "work", when_ready=True, loop=loop)
        await heal(almoner, attempt_id)
        where = f"{strike} {at}: {aside.moments.struck}"
        assert told.status_code == 402, where
        assert await almoner.value(STATE, attempt_id) == "VOIDED", where
        assert not await captured(almoner, attempt_id), where
        assert await almoner.value(PROMISES, attempt_id) == "1 1", where
        assert await almoner.value(SUSPENSE) == 0, where
        assert await almoner.value(TOLD, told.json()["donation_id"]) == GIVEN_BACK, where

    assert len(aside.labels) >= 10, aside.labels


@pytest.mark.parametrize("strike", STRIKES)
async def test_a_worker_struck_at_every_statement_keeps_late_money_once(
    struck: Callable[..., Any], strike: Strike
) -> None:
    """The donor was told "paid", the settlement failed, and the bank pays after all: what was told
    is true, and booked once."""
    aside = await struck()
    almoner = aside.almoner

    for gifts, at in enumerate(aside.each_moment("UPDATE payment_attempt"), 1):
        told, attempt_id = await late(almoner, FAIL, CAPTURE)
        await aside.run(at, strike, "work", when_ready=True, loop="late money")
        await heal(almoner, attempt_id)
        where = f"{strike} {at}: {aside.moments.struck}"
        assert told.status_code == 201, where
        assert await almoner.value(STATE, attempt_id) == "SUBMITTED", where
        assert await captured(almoner, attempt_id), where
        assert await almoner.value(PROMISES, attempt_id) == "0 0", where
        assert await almoner.value(SUSPENSE) == 0, where
        assert await almoner.value(INCOME) == 5000 * gifts, where

    assert len(aside.labels) >= 10, aside.labels
