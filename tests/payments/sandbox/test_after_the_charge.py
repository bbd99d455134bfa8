"""What becomes of a charge afterwards: given back, settled, paid out, disputed."""

from __future__ import annotations

import asyncio
import csv
import io
from uuid import UUID, uuid4

import pytest

from almoner.money import Money
from almoner.payments.gateway import Charge, Instrument, RecordedCharge, Seen
from almoner.payments.gateways.sandbox.dispute import CannotDispute, Step
from almoner.payments.gateways.sandbox.gateway import SandboxGateway
from almoner.payments.gateways.sandbox.settle import REPORT_COLUMNS, write_report


async def charged(
    sandbox: SandboxGateway, amount_minor: int = 5000, currency: str = "USD"
) -> RecordedCharge:
    """A charge that was taken."""
    money = Money(amount_minor, currency)
    charge = Charge(uuid4(), money, Instrument("fake-valid-nonce"))
    await sandbox.charge(charge)
    return await stands(sandbox, charge.order_id)


async def stands(sandbox: SandboxGateway, order_id: str) -> RecordedCharge:
    """The charge in the sandbox's record."""
    return next(iter([c async for c in sandbox.charges() if c.order_id == order_id]))


async def test_a_charge_that_is_not_settled_is_voided(sandbox: SandboxGateway) -> None:
    """The money never leaves the donor's account; the record says so."""
    charge = await charged(sandbox)

    done = await sandbox.reverse(
        charge.order_id, charge.gateway_transaction_id, charge.money, "key"
    )

    assert (done.done, done.kind) == (True, "void")
    after = await stands(sandbox, charge.order_id)
    assert (after.captured, after.seen) == (False, Seen.VOIDED)
    seen = await sandbox.look_up(charge.order_id)
    assert seen is not None
    assert seen.seen is Seen.VOIDED


async def test_a_settled_charge_is_refunded(sandbox: SandboxGateway) -> None:
    """It is too late to void it."""
    charge = await charged(sandbox)
    await sandbox.record.close_batch()

    done = await sandbox.reverse(
        charge.order_id, charge.gateway_transaction_id, charge.money, "key"
    )

    assert (done.done, done.kind) == (True, "refund")
    assert (await stands(sandbox, charge.order_id)).captured is False


async def test_money_is_given_back_once(sandbox: SandboxGateway) -> None:
    """Ten times at once under one key, then under another: done, and the same each time."""
    charge = await charged(sandbox)
    asked = (charge.order_id, charge.gateway_transaction_id, charge.money)

    done = await asyncio.gather(*(sandbox.reverse(*asked, "key") for _ in range(10)))
    await sandbox.record.close_batch()
    again = await sandbox.reverse(*asked, "another key")

    assert {(d.done, d.kind) for d in [*done, again]} == {(True, "void")}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"order_id": "nobody's"}, "not_found"),
        ({"transaction": "sb99999999"}, "another_transaction"),
        ({"money": Money(4999, "USD")}, "another_amount"),
        ({"money": Money(5000, "EUR")}, "another_amount"),
    ],
)
async def test_only_the_very_charge_is_given_back(
    sandbox: SandboxGateway, changed: dict[str, object], code: str
) -> None:
    """Another transaction or sum is a mix-up: nothing is done."""
    charge = await charged(sandbox)
    asked = {
        "order_id": charge.order_id,
        "transaction": charge.gateway_transaction_id,
        "money": charge.money,
    } | changed
    money = asked["money"]
    assert isinstance(money, Money)

    done = await sandbox.reverse(str(asked["order_id"]), str(asked["transaction"]), money, "key")

    assert (done.done, done.gateway_code) == (False, code)
    assert (await stands(sandbox, charge.order_id)).captured is True


async def test_a_decline_has_nothing_to_give_back(sandbox: SandboxGateway) -> None:
    """No money was taken."""
    charge = await charged(sandbox, 200_000)

    done = await sandbox.reverse(
        charge.order_id, charge.gateway_transaction_id, charge.money, "key"
    )

    assert (done.done, done.gateway_code) == (False, "is_declined")


async def test_a_batch_is_paid_out_less_its_fees(sandbox: SandboxGateway) -> None:
    """2.9 % rounded half up and thirty cents for each; one payout for each currency."""
    first, second = await charged(sandbox, 5000), await charged(sandbox, 1052)
    other = await charged(sandbox, 2000, "EUR")
    await charged(sandbox, 200_000)

    ids = await sandbox.record.close_batch()

    found = [payout async for payout in sandbox.payouts("")]
    assert [payout.payout_id for payout, _ in found] == ids
    assert [(p.currency, p.net_minor) for p, _ in found] == [
        ("EUR", 2000 - (58 + 30)),
        ("USD", 5000 - (145 + 30) + 1052 - (31 + 30)),
    ]
    lines = {line.order_id: line.fee_minor for _, charges in found for line in charges}
    assert lines == {first.order_id: 175, second.order_id: 61, other.order_id: 88}


async def test_no_fee_is_above_its_charge(sandbox: SandboxGateway) -> None:
    """Ten cents have a fee of ten cents."""
    await charged(sandbox, 10)

    await sandbox.record.close_batch()

    ((payout, _),) = [found async for found in sandbox.payouts("")]
    assert payout.net_minor == 0


async def test_a_charge_is_settled_in_one_batch_only(sandbox: SandboxGateway) -> None:
    """The second batch holds what came since; payouts are read on from the last one known."""
    await charged(sandbox)
    (first,) = await sandbox.record.close_batch()
    nothing = await sandbox.record.close_batch()
    later = await charged(sandbox)
    (second,) = await sandbox.record.close_batch()

    found = [(payout.payout_id, charges) async for payout, charges in sandbox.payouts(first)]

    assert nothing == []
    assert [(payout, [c.order_id for c in charges]) for payout, charges in found] == [
        (second, [later.order_id])
    ]


async def test_the_report_is_a_line_for_each_charge(sandbox: SandboxGateway) -> None:
    """As CSV, with a head, in minor units."""
    charge = await charged(sandbox)
    (payout_id,) = await sandbox.record.close_batch()
    found = [payout async for payout in sandbox.payouts("")]
    file = io.StringIO()

    write_report(file, found)

    (line,) = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert tuple(line) == REPORT_COLUMNS
    assert line | {"paid_at": ""} == {
        "payout_id": payout_id,
        "paid_at": "",
        "order_id": charge.order_id,
        "transaction_id": charge.gateway_transaction_id,
        "currency": "USD",
        "amount_minor": "5000",
        "fee_minor": "175",
    }


@pytest.mark.parametrize(
    ("steps", "seen"),
    [
        (["opened"], Seen.DISPUTED),
        (["opened", "won"], Seen.SETTLED),
        (["opened", "lost"], Seen.DISPUTED),
    ],
)
async def test_a_dispute_is_opened_and_decided(
    sandbox: SandboxGateway, steps: list[Step], seen: Seen
) -> None:
    """While it is open and when it is lost the money is disputed; won, it is ours again."""
    charge = await charged(sandbox)
    await sandbox.record.close_batch()

    for step in steps:
        await sandbox.record.dispute(charge.gateway_transaction_id, step)

    assert (await stands(sandbox, charge.order_id)).seen is seen


@pytest.mark.parametrize("step", ["opened", "won", "lost"])
async def test_a_dispute_begins_with_a_settled_charge(sandbox: SandboxGateway, step: Step) -> None:
    """And only an open one is decided; a charge nobody knows has none."""
    charge = await charged(sandbox)

    with pytest.raises(CannotDispute):
        await sandbox.record.dispute(charge.gateway_transaction_id, step)
    for transaction in ("sb99999999", "nonsense", "sb1", "sb-0000001", "sb0000000١"):
        with pytest.raises(CannotDispute):
            await sandbox.record.dispute(transaction, step)


async def test_a_disputed_charge_cannot_be_given_back(sandbox: SandboxGateway) -> None:
    """The bank has it."""
    charge = await charged(sandbox)
    await sandbox.record.close_batch()
    await sandbox.record.dispute(charge.gateway_transaction_id, "opened")

    done = await sandbox.reverse(
        charge.order_id, charge.gateway_transaction_id, charge.money, "key"
    )

    assert (done.done, done.gateway_code) == (False, "is_disputed")


async def test_the_same_order_is_charged_once(sandbox: SandboxGateway) -> None:
    """Twenty requests at once with one key: one transaction."""
    charge = Charge(UUID(int=7), Money(5000, "USD"), Instrument("fake-valid-nonce"))

    seen = await asyncio.gather(*(sandbox.charge(charge) for _ in range(20)))

    assert {s.seen for s in seen} == {Seen.SUBMITTED}
    assert len({s.gateway_transaction_id for s in seen}) == 1
