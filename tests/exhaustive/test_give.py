"""A web process is struck at every statement of a gift."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from exhaustive.wire import STRIKES, Strike
from support.donor import gift

SETTINGS = {
    "database_wait_ms": 1_500,
    "gateway_deadline_ms": 2_000,
    # So many lost answers in a row would make the breaker leave the gateway alone.
    "gateway_breaker_calls": 10_000,
}
GIFTS = {
    "paid": {},
    "declined": {"amount": "2001.00"},
    "answer lost": {"payment_method_nonce": "fake-lost-answer-nonce"},
}
FINAL = (201, 402)


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("kind", GIFTS)
async def test_a_gift_struck_at_every_statement_ends_once_and_truly(
    struck: Callable[..., Any], kind: str, strike: Strike
) -> None:
    """Whatever the donor was told stays true, the same key leads to an end, and the gateway
    captured it once if that is "paid" and never if it is "not charged"."""
    aside = await struck(**SETTINGS)
    almoner = aside.almoner

    for at in aside.each_moment():
        key, body = str(uuid4()), gift(**GIFTS[kind])
        told = await aside.run(at, strike, "give", key=key, body=body)
        await almoner.resolve_now(age_s=150)
        await almoner.resolve_now(age_s=900)
        end = await almoner.client.post("/donations", json=body, headers={"Idempotency-Key": key})
        if end.status_code == 202:  # charged now for the first time, and its answer was lost
            await almoner.resolve_now()
            end = await almoner.client.post(
                "/donations", json=body, headers={"Idempotency-Key": key}
            )
        captured = await captured_of(almoner, end.json()["donation_id"])
        where = f"{strike} {at}: {aside.moments.struck}; told {told}, in the end {end.text}"
        assert end.status_code in FINAL, where
        assert captured == (end.status_code == 201), where
        if told is not None and told[0] in FINAL:
            assert told == (end.status_code, end.content), where
        if told is not None and told[0] not in FINAL:
            assert told[0] in (202, 409, 503), where

    assert len(aside.labels) >= 12, aside.labels
    assert any("COMMIT" in label for label in aside.labels)
    assert any(label.startswith("sandbox") for label in aside.labels)


async def captured_of(almoner: Any, donation_id: str) -> int:
    """How often the gateway captured a donation."""
    rows = await almoner.database.fetch_all(
        "SELECT attempt_id FROM payment_attempt WHERE payable_id = %s", (donation_id,)
    )
    orders = {row["attempt_id"].hex for row in rows}
    return len(
        [order for order, captured in await almoner.orders() if captured and order in orders]
    )
