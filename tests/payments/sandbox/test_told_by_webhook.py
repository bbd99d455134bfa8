"""From the sandbox's webhook to what the donor sees: told in time, late, twice, forged or never."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from almoner.bootstrap.gateways import webhook_secret
from almoner.payments.gateways.sandbox.post_notices import NoticePoster
from support.donor import Donor
from support.faults import go_wrong
from support.installation import Installation

STATE = "SELECT state FROM payment_attempt"


class Post:
    """The way of the sandbox's webhooks to this installation, and what comes of them there."""

    def __init__(self, almoner: Installation, poster: NoticePoster) -> None:
        self._almoner = almoner
        self._poster = poster

    async def arrives(self) -> None:
        """Whatever is due is delivered, worked off, looked up, and decided."""
        while await self._poster.post_due():
            pass
        while await self._almoner.work.webhooks.sweep():
            pass
        while await self._almoner.work.resolver.sweep():
            pass
        await self._almoner.decide_late()

    async def catches_up(self) -> None:
        """The time comes that held webhooks and odd charges are waiting for."""
        async with self._almoner.work.gateway.record.transaction() as connection:
            await connection.execute("UPDATE sandbox_notice SET due_at = now()")
            await connection.execute(
                "UPDATE sandbox_charge SET captures_at = least(captures_at, now())"
            )
        await self.arrives()


@pytest.fixture
async def post(almoner: Installation) -> AsyncIterator[Post]:
    """A real server that passes on to the installation what is posted to it."""

    async def passed_on(request: web.Request) -> web.Response:
        answer = await almoner.client.post(
            request.path, content=await request.read(), headers=dict(request.headers)
        )
        return web.Response(status=answer.status_code)

    application = web.Application()
    application.router.add_post("/webhooks/sandbox", passed_on)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/sandbox"
    poster = NoticePoster(almoner.work.gateway, url, webhook_secret(almoner.settings))
    await poster.open()
    yield Post(almoner, poster)
    await poster.close()
    await runner.cleanup()


async def status(donor: Donor, answer: Any) -> str:
    """What the donor reads."""
    found: str = (await donor.sees(answer))["status"]
    return found


async def stored(almoner: Installation) -> int:
    """Webhooks that were stored."""
    count: int = await almoner.value("SELECT count(*) FROM webhook")
    return count


async def test_a_webhook_ends_a_doubt_before_the_next_look(
    almoner: Installation, donor: Donor, post: Post
) -> None:
    """The answer was lost; the sandbox tells, and nobody has to wait for the schedule."""
    answer = await donor.gives(payment_method_nonce="fake-lost-answer-nonce")

    await post.arrives()

    assert answer.status_code == 202
    assert await status(donor, answer) == "success"


@pytest.mark.parametrize(
    ("kind", "at_once", "later"),
    [
        ("webhook_late", 0, 1),
        ("webhook_out_of_order", 0, 1),
        ("webhook_twice", 1, 1),
        ("webhook_forged", 1, 1),
        ("webhook_lost", 0, 0),
    ],
)
async def test_whatever_becomes_of_a_webhook_the_gift_comes_out_right(
    almoner: Installation, donor: Donor, post: Post, kind: str, at_once: int, later: int
) -> None:
    """Stored once at most, forged copies never; without it the look-ups find out."""
    await go_wrong(almoner, kind, times_left=1)
    answer = await donor.gives(payment_method_nonce="fake-lost-answer-nonce")

    await post.arrives()
    told = await stored(almoner), await status(donor, answer)
    await post.catches_up()
    told_later = await stored(almoner)
    await almoner.resolve_now()

    assert told == (at_once, "success" if at_once else "processing")
    assert told_later == later
    assert await status(donor, answer) == "success"
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 2


async def test_a_decline_that_is_captured_after_all_goes_back(
    almoner: Installation, donor: Donor, post: Post
) -> None:
    """The donor was told "not charged"; the webhook tells of the money, and it is given back."""
    answer = await donor.gives(payment_method_nonce="fake-late-success-nonce")

    await post.arrives()
    before = await almoner.value(STATE)
    await post.catches_up()

    assert answer.status_code == 402
    assert before == "DECLINED"
    assert await almoner.value(STATE) == "VOIDED"
    assert await status(donor, answer) == "failure"
    assert [captured for _, _, captured in await almoner.charged()] == [False]


async def test_a_capture_that_does_not_settle_is_no_longer_paid(
    almoner: Installation, donor: Donor, post: Post
) -> None:
    """Paid, as far as anybody knew; then the batch is closed and the money is not there."""
    answer = await donor.gives(payment_method_nonce="fake-late-decline-nonce")
    before = await status(donor, answer)

    await almoner.work.gateway.record.close_batch()
    await post.arrives()

    assert (answer.status_code, before) == (201, "success")
    assert await almoner.value(STATE) == "SETTLEMENT_FAILED"
    assert await status(donor, answer) == "failure"


async def test_a_dispute_is_seen_and_so_is_its_end(
    almoner: Installation, donor: Donor, post: Post
) -> None:
    """Opened, then won: disputed, then paid again."""
    answer = await donor.gives()
    transaction = answer.json()["transaction_id"]
    record = almoner.work.gateway.record

    await record.close_batch()
    await record.dispute(transaction, "opened")
    await post.arrives()
    opened = await status(donor, answer)
    await record.dispute(transaction, "won")
    await post.arrives()

    assert opened == "disputed"
    assert await status(donor, answer) == "success"
