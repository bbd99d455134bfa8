"""Processes are struck at every statement while they take a webhook, and while they work it off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from almoner.payments.gateways.sandbox import sign
from exhaustive.wire import STRIKES, Strike
from support.donor import gift
from support.installation import Installation
from support.tamper import tamper

SETTINGS = {
    "database_wait_ms": 1_500,
    "gateway_deadline_ms": 2_000,
    # So many lost answers in a row would make the breaker leave the gateway alone.
    "gateway_breaker_calls": 10_000,
}
STORED = "SELECT count(*) FROM webhook WHERE external_id = %s"
OPEN = "SELECT count(*) FROM webhook WHERE processed_at IS NULL OR parked_at IS NOT NULL"
OPERATIONS = """
    SELECT string_agg(kind, ' ' ORDER BY started_at) FROM gateway_operation WHERE attempt_id = %s
"""
ORDER = "SELECT attempt_id FROM payment_attempt WHERE payable_id = %s"


async def in_doubt(almoner: Installation) -> tuple[dict[str, str], dict[str, Any], Any]:
    """A gift whose charge was made and whose answer was lost: its key, its body, its attempt."""
    key, body = (
        {"Idempotency-Key": str(uuid4())},
        gift(payment_method_nonce="fake-lost-answer-nonce"),
    )
    told = await almoner.client.post("/donations", json=body, headers=key)
    assert told.status_code == 202
    return key, body, await almoner.value(ORDER, told.json()["donation_id"])


def notice(almoner: Installation, attempt_id: Any) -> tuple[str, bytes, dict[str, str]]:
    """What the gateway tells of a charge: event id, body, headers."""
    event_id = f"ev_{uuid4().hex}"
    said = {
        "id": event_id,
        "kind": "charge.captured",
        "order_ids": [attempt_id.hex],
        "happened_at": "2026-11-22T10:00:00Z",
    }
    body = msgspec.json.encode(said)
    secret = almoner.work.gateway._webhook_secret
    return event_id, body, {sign.HEADER: sign.sign(secret, body, 1_767_225_600)}


async def work_off(almoner: Installation) -> None:
    """What the next worker does, as soon as the claims of the last one have run out."""
    tamper(almoner.settings.servers.database_url, "UPDATE webhook SET next_try_at = now()")
    while await almoner.work.webhooks.sweep():
        pass
    while await almoner.work.resolver.sweep():
        pass


@pytest.mark.parametrize("strike", STRIKES)
async def test_a_web_process_struck_at_every_statement_stores_a_webhook_once(
    struck: Callable[..., Any], strike: Strike
) -> None:
    """The gateway sends again whatever was not answered 2xx; a 204 was stored; never two rows. It
    makes the charge in doubt be looked up, once."""
    aside = await struck(**SETTINGS)
    almoner = aside.almoner

    for at in aside.each_moment("INSERT INTO webhook"):
        key, body, attempt_id = await in_doubt(almoner)
        event_id, said, headers = notice(almoner, attempt_id)
        told = await aside.run(
            at, strike, "take webhook", when_ready=True, body=said, headers=headers
        )
        stored = await almoner.value(STORED, event_id)
        again = await almoner.client.post("/webhooks/sandbox", content=said, headers=headers)
        await work_off(almoner)
        end = await almoner.client.post("/donations", json=body, headers=key)
        where = f"{strike} {at}: {aside.moments.struck}; told {told}, in the end {end.text}"
        assert told is None or told[0] in (204, 503), where
        assert told is None or told[0] != 204 or stored == 1, where
        assert again.status_code == 204, where
        assert await almoner.value(STORED, event_id) == 1, where
        assert (end.status_code, await almoner.value(OPEN)) == (201, 0), where
        assert await almoner.value(OPERATIONS, attempt_id) == "sale look_up", where

    assert len(aside.labels) >= 3, aside.labels


@pytest.mark.parametrize("strike", STRIKES)
async def test_a_worker_struck_at_every_statement_works_a_webhook_off(
    struck: Callable[..., Any], strike: Strike
) -> None:
    """The next worker finds what the struck one had claimed, and looks; the charge is settled
    once."""
    aside = await struck(**SETTINGS)
    almoner = aside.almoner

    for at in aside.each_moment("UPDATE payment_attempt", "UPDATE webhook"):
        key, body, attempt_id = await in_doubt(almoner)
        _, said, headers = notice(almoner, attempt_id)
        await almoner.client.post("/webhooks/sandbox", content=said, headers=headers)
        await aside.run(at, strike, "work", when_ready=True, loop="webhooks")
        await work_off(almoner)
        end = await almoner.client.post("/donations", json=body, headers=key)
        where = f"{strike} {at}: {aside.moments.struck}; in the end {end.text}"
        assert (end.status_code, await almoner.value(OPEN)) == (201, 0), where
        assert await almoner.value(OPERATIONS, attempt_id) == "sale look_up", where

    assert len(aside.labels) >= 7, aside.labels
