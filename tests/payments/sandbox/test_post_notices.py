"""The sandbox's webhooks: what is told, when, how often, and what goes wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiohttp import web
from msgspec import structs

from almoner.money import Money
from almoner.payments.gateway import Charge, Forged, Instrument, Notice
from almoner.payments.gateways.sandbox.fault_book import set_fault
from almoner.payments.gateways.sandbox.faults import named
from almoner.payments.gateways.sandbox.gateway import SandboxGateway, SandboxRules
from almoner.payments.gateways.sandbox.notices import ORDERS_MAX
from almoner.payments.gateways.sandbox.post_notices import NoticePoster
from almoner.platform.db import DatabaseAway

SECRET = "a secret for the webhooks of the tests"


class Inbox:
    """Somebody who takes webhooks. Remembers them, forged ones as None."""

    def __init__(self, gateway: SandboxGateway) -> None:
        self._gateway = gateway
        self.notices: list[Notice | None] = []
        self.answers: list[int] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        """One webhook."""
        status = self.answers.pop(0) if self.answers else 204
        try:
            notice = self._gateway.read_notice(await request.read(), request.headers)
        except Forged:
            self.notices.append(None)
            return web.Response(status=400)
        self.notices.append(notice)
        return web.Response(status=status)

    @property
    def kinds(self) -> list[str]:
        """What was told, in order of arrival."""
        return [notice.kind if notice else "forged" for notice in self.notices]


@pytest.fixture
async def inbox(sandbox: SandboxGateway) -> AsyncIterator[Inbox]:
    """A real server on a free port."""
    inbox = Inbox(sandbox)
    application = web.Application()
    application.router.add_post("/", inbox.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    inbox.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield inbox
    await runner.cleanup()


@pytest.fixture
async def poster(sandbox: SandboxGateway, inbox: Inbox) -> AsyncIterator[NoticePoster]:
    """Posts to the inbox."""
    poster = NoticePoster(sandbox, inbox.url, SECRET)
    await poster.open()
    yield poster
    await poster.close()


async def charged(sandbox: SandboxGateway, nonce: str = "fake-valid-nonce") -> Charge:
    """A charge with this nonce."""
    charge = Charge(uuid4(), Money(5000, "USD"), Instrument(nonce))
    await sandbox.charge(charge)
    return charge


async def make_due(sandbox: SandboxGateway) -> None:
    """Let the time pass that what waits is waiting for."""
    async with sandbox.record.transaction() as connection:
        await connection.execute("UPDATE sandbox_notice SET due_at = now()")


async def test_a_captured_charge_without_an_answer_is_told(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """Signed, with the order it is about and nothing of a donor; told once."""
    charge = await charged(sandbox, "fake-lost-reset-nonce")

    await poster.post_due()
    await poster.post_due()

    (notice,) = inbox.notices
    assert notice is not None
    assert (notice.kind, notice.order_ids) == ("charge.captured", (charge.order_id,))


async def test_an_ordinary_charge_is_not_told(sandbox: SandboxGateway, inbox: Inbox) -> None:
    """Its answer arrived, and nothing was written beside the charge itself."""
    await charged(sandbox)

    async with sandbox.record.transaction() as connection:
        cursor = await connection.execute("SELECT count(*) FROM sandbox_notice")
        row = await cursor.fetchone()
    assert row == {"count": 0}


async def test_each_step_of_a_charge_is_told_in_order(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """Settled, disputed, won, refunded; another one fails to settle."""
    charge = await charged(sandbox)
    await charged(sandbox, "fake-late-decline-nonce")
    (record,) = [c async for c in sandbox.charges() if c.order_id == charge.order_id]
    transaction = record.gateway_transaction_id
    await sandbox.record.close_batch()
    await sandbox.record.dispute(transaction, "opened")
    await sandbox.record.dispute(transaction, "won")
    await sandbox.reverse(charge.order_id, transaction, charge.money, "key")

    while await poster.post_due():
        pass

    assert inbox.kinds == [
        "charge.captured",
        "charge.settlement_failed",
        "charge.settled",
        "dispute.opened",
        "dispute.won",
        "charge.refunded",
    ]


async def test_a_big_batch_makes_few_notices(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """A hundred orders in each."""
    charges = await asyncio.gather(*(charged(sandbox) for _ in range(ORDERS_MAX + 1)))
    await sandbox.record.close_batch()

    while await poster.post_due():
        pass

    told = [order for notice in inbox.notices if notice for order in notice.order_ids]
    assert sorted(told) == sorted(charge.order_id for charge in charges)
    assert len(inbox.notices) == 2


async def test_what_is_not_taken_is_sent_again(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """503, then a redirect, then taken: three deliveries of one event."""
    inbox.answers = [503, 302]
    await charged(sandbox, "fake-lost-reset-nonce")

    for _ in range(4):
        await poster.post_due()
        await make_due(sandbox)

    assert len(inbox.notices) == 3
    assert len({notice.external_id for notice in inbox.notices if notice}) == 1


async def test_nobody_there_is_no_error(sandbox: SandboxGateway, unused_tcp_port: int) -> None:
    """It stays in the queue, and waits longer each time."""
    poster = NoticePoster(sandbox, f"http://127.0.0.1:{unused_tcp_port}/", SECRET)
    await poster.open()
    await charged(sandbox, "fake-lost-reset-nonce")

    await poster.post_due()

    await poster.close()
    async with sandbox.record.transaction() as connection:
        cursor = await connection.execute(
            "SELECT tries, ended_at, due_at > now() AS later FROM sandbox_notice"
        )
        row = await cursor.fetchone()
    assert row == {"tries": 1, "ended_at": None, "later": True}


async def test_two_posters_share_the_work(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """Forty notices, four at work at once: each is told once."""
    await asyncio.gather(*(charged(sandbox, "fake-lost-reset-nonce") for _ in range(40)))

    await asyncio.gather(*(poster.post_due() for _ in range(4)))

    assert len(inbox.notices) == 40
    assert len({notice.external_id for notice in inbox.notices if notice}) == 40


async def test_a_webhook_that_is_lost_never_comes(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """Not even later."""
    await charged(sandbox, "fake-webhook-lost-nonce")

    await poster.post_due()
    await make_due(sandbox)
    await poster.post_due()

    assert inbox.notices == []


async def test_a_webhook_that_is_late_comes_later(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """Once."""
    await charged(sandbox, "fake-webhook-late-nonce")

    await poster.post_due()
    before = len(inbox.notices)
    await make_due(sandbox)
    await poster.post_due()
    await poster.post_due()

    assert (before, len(inbox.notices)) == (0, 1)


async def test_a_webhook_comes_twice(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """The same event, so that it can be recognised."""
    await charged(sandbox, "fake-webhook-twice-nonce")

    await poster.post_due()

    first, second = inbox.notices
    assert first == second


async def test_a_forged_webhook_comes_before_the_true_one(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """Signed by somebody who does not know the secret."""
    await charged(sandbox, "fake-webhook-forged-nonce")

    await poster.post_due()

    assert inbox.kinds == ["forged", "charge.captured"]


async def test_webhooks_come_out_of_order(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """The capture is told after the settlement that came later."""
    await charged(sandbox, "fake-webhook-out-of-order-nonce")
    await poster.post_due()
    await sandbox.record.close_batch()

    while await poster.post_due():
        pass

    assert inbox.kinds == ["charge.settled", "charge.captured"]


async def test_faults_of_webhooks_are_set_like_others(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """Once, for whatever is told next."""
    async with sandbox.record.transaction() as connection:
        await set_fault(connection, structs.replace(named("webhook_twice"), times_left=1))
    await charged(sandbox, "fake-lost-reset-nonce")
    await charged(sandbox, "fake-lost-reset-nonce")

    await poster.post_due()

    assert len(inbox.notices) == 3


async def test_each_capture_is_told_where_that_is_wanted(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """Charges that are filed together are told together; declines are not told."""
    sandbox.record._tells_captures = True
    charges = await asyncio.gather(*(charged(sandbox) for _ in range(5)))
    await charged(sandbox, "fake-consumed-nonce")

    await poster.post_due()

    told = [order for notice in inbox.notices if notice for order in notice.order_ids]
    assert sorted(told) == sorted(charge.order_id for charge in charges)


async def test_a_charge_that_comes_late_is_told_when_it_has_come(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """Not before."""
    await charged(sandbox, "fake-late-charge-nonce")

    await poster.post_due()
    before = list(inbox.notices)
    await make_due(sandbox)
    await poster.post_due()

    assert before == []
    assert inbox.kinds == ["charge.captured"]


async def test_old_notices_are_forgotten(
    sandbox: SandboxGateway, inbox: Inbox, poster: NoticePoster
) -> None:
    """A week after they were told; what waits stays."""
    await charged(sandbox, "fake-lost-reset-nonce")
    await poster.post_due()
    await charged(sandbox, "fake-lost-reset-nonce")
    async with sandbox.record.transaction() as connection:
        await connection.execute(
            "UPDATE sandbox_notice SET happened_at = now() - interval '8 days', "
            "ended_at = ended_at - interval '8 days'"
        )

    await poster.forget_old()

    async with sandbox.record.transaction() as connection:
        cursor = await connection.execute("SELECT ended_at FROM sandbox_notice")
        assert await cursor.fetchall() == [{"ended_at": None}]


async def test_a_database_that_is_away_is_said() -> None:
    """The loop then waits, and goes on later."""
    gateway = SandboxGateway("postgresql://nobody@127.0.0.1:1/nothing", SandboxRules())
    poster = NoticePoster(gateway, "http://127.0.0.1:1/", SECRET)

    with pytest.raises(DatabaseAway):
        await poster.post_due()
