"""A worker is struck at every statement while it publishes events and hands them over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from exhaustive.wire import STRIKES, Strike
from support.donor import gift

ONCE = """
    SELECT count(*) = count(DISTINCT event_id) FROM inbox WHERE consumer = 'charity_totals'
"""
RAISED = "SELECT coalesce(sum(raised_minor), 0) FROM charity_total"
LEFT = """
    SELECT (SELECT count(*) FROM event WHERE published_at IS NULL) + count(*) FROM delivery
"""


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize(
    ("loop", "wanted", "passing"),
    [("relay", 5, "WITH oldest"), ("deliver charity_totals", 6, "INSERT INTO inbox")],
)
async def test_a_worker_struck_at_every_statement_tells_each_event_once(
    struck: Callable[..., Any], loop: str, wanted: int, passing: str, strike: Strike
) -> None:
    """Whatever the struck one left, the next one tells: the totals are exact each time, and the
    checks at the end of the test compare them with the ledger."""
    aside = await struck()
    almoner = aside.almoner

    for gifts, at in enumerate(aside.each_moment(passing), 1):
        answer = await almoner.client.post(
            "/donations", json=gift(), headers={"Idempotency-Key": str(uuid4())}
        )
        if loop != "relay":
            await almoner.work.telling.relay.step()
        await aside.run(at, strike, "work", loop=loop)
        await almoner.work.telling.tell_all()
        where = f"{strike} {at}: {aside.moments.struck}"
        assert answer.status_code == 201, where
        assert await almoner.value(RAISED) == 5000 * gifts, where
        assert await almoner.value(ONCE), where
        assert await almoner.value(LEFT) == 0, where

    assert len(aside.labels) >= wanted, aside.labels
