"""Charges that change their mind: declined and then captured, taken and then not settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

import psycopg
from msgspec import structs

from almoner.money import Money
from almoner.payments.gateway import Charge, Instrument, Observation, Seen
from almoner.payments.gateways.sandbox.fault_book import set_fault
from almoner.payments.gateways.sandbox.faults import named
from almoner.payments.gateways.sandbox.gateway import SandboxGateway, SandboxRules


def charge(nonce: str) -> Charge:
    """A charge of fifty dollars."""
    return Charge(uuid4(), Money(5000, "USD"), Instrument(nonce))


async def captured(sandbox: SandboxGateway) -> list[tuple[bool, Seen]]:
    """What the record says of each charge."""
    return [(c.captured, c.seen) async for c in sandbox.charges()]


async def seen(sandbox: SandboxGateway, sale: Charge) -> Seen | None:
    """What a look-up says."""
    found = await sandbox.look_up(sale.order_id)
    return found.seen if found else None


async def comes_true(sandbox: SandboxGateway) -> None:
    """Let the time come that odd charges are waiting for."""
    async with sandbox.record.transaction() as connection:
        await connection.execute(
            "UPDATE sandbox_charge SET captures_at = least(captures_at, now()), "
            "charged_at = least(charged_at, now()), visible_at = least(visible_at, now())"
        )


async def test_a_decline_that_is_captured_after_all(sandbox: SandboxGateway) -> None:
    """Declined, and looked up as declined; later it is money, under the same transaction."""
    sale = charge("fake-late-success-nonce")

    told = await sandbox.charge(sale)
    before = await seen(sandbox, sale), await captured(sandbox)
    await comes_true(sandbox)
    found = await sandbox.look_up(sale.order_id)

    assert told.seen is Seen.DECLINED
    assert before == (Seen.DECLINED, [(False, Seen.DECLINED)])
    transaction = told.gateway_transaction_id
    assert found == Observation(Seen.SUBMITTED, transaction, None, "1000", money=sale.money)
    assert await captured(sandbox) == [(True, Seen.SUBMITTED)]


async def test_late_money_is_given_back_and_paid_out_like_other_money(
    sandbox: SandboxGateway,
) -> None:
    """One is voided, one is settled."""
    back, stays = charge("fake-late-success-nonce"), charge("fake-late-success-nonce")
    told = await sandbox.charge(back)
    await sandbox.charge(stays)
    await comes_true(sandbox)

    done = await sandbox.reverse(back.order_id, str(told.gateway_transaction_id), back.money, "key")
    await sandbox.record.close_batch()

    assert done.kind == "void"
    assert (await seen(sandbox, back), await seen(sandbox, stays)) == (Seen.VOIDED, Seen.SETTLED)


async def test_a_capture_that_does_not_settle(sandbox: SandboxGateway) -> None:
    """Taken at first; when the batch is closed the money is not there, and is not paid out."""
    sale = charge("fake-late-decline-nonce")

    told = await sandbox.charge(sale)
    before = await captured(sandbox)
    payouts = await sandbox.record.close_batch()

    assert told.seen is Seen.SUBMITTED
    assert before == [(True, Seen.SUBMITTED)]
    assert payouts == []
    assert await seen(sandbox, sale) is Seen.SETTLEMENT_FAILED
    assert await captured(sandbox) == [(False, Seen.SETTLEMENT_FAILED)]


async def test_a_request_that_hangs_charges_although_everybody_died(
    new_database: Callable[..., str],
) -> None:
    """Its time is written down: another process, later, finds it charged."""
    url, sale = new_database(empty=True), charge("fake-late-charge-nonce")
    first = SandboxGateway(url, SandboxRules())
    await first.open()
    told = await first.charge(sale)
    asked_again = await first.charge(sale)
    await first.close()
    second = SandboxGateway(url, SandboxRules())
    await second.open()

    before = await seen(second, sale), await captured(second)
    await comes_true(second)
    after = await seen(second, sale), await captured(second)
    await second.close()

    assert (told.seen, asked_again.seen) == (Seen.UNKNOWN, Seen.UNKNOWN)
    assert before == (None, [])
    assert after == (Seen.SUBMITTED, [(True, Seen.SUBMITTED)])


async def test_a_batch_leaves_out_what_is_in_flight(sandbox: SandboxGateway) -> None:
    """It has not been charged yet."""
    await sandbox.charge(charge("fake-late-charge-nonce"))

    assert await sandbox.record.close_batch() == []


async def test_many_requests_meet_so_many_faults_and_no_more(sandbox: SandboxGateway) -> None:
    """Three declines among twenty charges at once, whoever they are."""
    async with sandbox.record.transaction() as connection:
        await set_fault(connection, structs.replace(named("decline"), times_left=3))

    told = await asyncio.gather(*(sandbox.charge(charge("fake-valid-nonce")) for _ in range(20)))

    assert [t.seen for t in told].count(Seen.DECLINED) == 3


async def test_a_record_of_the_first_version_goes_on(new_database: Callable[..., str]) -> None:
    """Its charges are kept, and can be settled and given back like new ones."""
    url = new_database(empty=True)
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TABLE sandbox_charge (order_id text PRIMARY KEY, transaction_number bigint "
            "GENERATED ALWAYS AS IDENTITY, amount_minor bigint NOT NULL, currency char(3) NOT "
            "NULL, captured boolean NOT NULL, gateway_code text NOT NULL, decline_code text, "
            "charged_at timestamptz NOT NULL DEFAULT now())"
        )
        connection.execute(
            "INSERT INTO sandbox_charge (order_id, amount_minor, currency, captured, gateway_code) "
            "VALUES ('old', 5000, 'USD', true, '1000')"
        )
    gateways = [SandboxGateway(url, SandboxRules()) for _ in range(4)]

    await asyncio.gather(*(gateway.open() for gateway in gateways))
    done = await gateways[0].reverse("old", "sb00000001", Money(5000, "USD"), "key")
    states = await captured(gateways[3])
    for gateway in gateways:
        await gateway.close()

    assert done.kind == "void"
    assert states == [(False, Seen.VOIDED)]
