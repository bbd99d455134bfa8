"""A worker is struck at every statement while it finds out what became of a charge."""

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


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize(("amount", "status"), [("50.00", 201), ("2001.00", 402)])
async def test_a_worker_struck_at_every_statement_settles_a_doubt_once(
    struck: Callable[..., Any], amount: str, status: int, strike: Strike
) -> None:
    """The next worker settles what the struck one left, and never a second time: the checks at
    the end of the test see every posting, event and answer."""
    aside = await struck(**SETTINGS)
    almoner = aside.almoner

    for at in aside.each_moment("UPDATE payment_attempt"):
        key = str(uuid4())
        body = gift(amount=amount, payment_method_nonce="fake-lost-answer-nonce")
        headers = {"Idempotency-Key": key}
        first = await almoner.client.post("/donations", json=body, headers=headers)
        await almoner.due_now()
        await aside.run(at, strike, "work", loop="resolver")
        await almoner.resolve_now()
        end = await almoner.client.post("/donations", json=body, headers=headers)
        where = f"{strike} {at}: {aside.moments.struck}; in the end {end.text}"
        assert (first.status_code, end.status_code) == (202, status), where

    assert len(aside.labels) >= 12, aside.labels
