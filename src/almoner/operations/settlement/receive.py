"""Receive: write a payout down, with its lines, and post what arrived at the bank. Once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from almoner.ledger.accounts import bank, payout_clearing
from almoner.ledger.post import post
from almoner.ledger.transfer import Transfer
from almoner.money import Money
from almoner.operations.match.difference import Difference, Kind
from almoner.operations.settlement import queries
from almoner.operations.settlement.queries import Line
from almoner.payments.gateway import Payout, SettledCharge
from almoner.platform.clock import now_ms
from almoner.platform.db import Connection, Database
from almoner.platform.ids import IdDeriver

SYSTEM: Final = ("system", "payouts")
"""What the donor id of a payout's entries is derived from: they belong to no donor, and the ledger
is partitioned by one."""


async def receive(
    database: Database,
    ids: IdDeriver,
    gateway: str,
    payout: Payout,
    charges: Sequence[SettledCharge],
) -> bool | Difference:
    """Write one payout down, in one transaction; gives whether it was new.

    One that is there and says something else now is a difference: the first one stays. Raises
    DatabaseAway; nothing, or all of it, has then been done.
    """
    source_id = ids.derive("payout", gateway, payout.payout_id)
    async with database.transaction() as connection:
        counts = (len(charges), now_ms())
        if not await queries.insert_payout(connection, gateway, payout, source_id, counts):
            return await _compared(connection, gateway, payout, charges)
        if charges:
            await queries.insert_lines(connection, gateway, payout, charges)
        if payout.net_minor:
            money = Money(abs(payout.net_minor), payout.currency)
            arrived, cleared = bank(payout.currency), payout_clearing(gateway)
            if payout.net_minor < 0:  # more was taken back than was paid
                arrived, cleared = cleared, arrived
            transfer = Transfer(
                transfer_id=ids.derive("transfer", "payout", gateway, payout.payout_id),
                donor_id=ids.derive(*SYSTEM),
                debit=arrived,
                credit=cleared,
                money=money,
                source_kind="payout",
                source_id=source_id,
                posted_ms=payout.paid_ms,
            )
            await post(connection, [transfer])
    return True


async def _compared(
    connection: Connection, gateway: str, payout: Payout, charges: Sequence[SettledCharge]
) -> bool | Difference:
    """False, or what a payout that is there says differently now. The order of lines is free."""
    currency, net_minor, lines = await queries.read_payout(connection, gateway, payout.payout_id)
    same = (
        (currency, net_minor) == (payout.currency, payout.net_minor)
        and sorted(map(_of_line, lines)) == sorted(map(_of_charge, charges))
    )  # fmt: skip
    if same:
        return False
    detail = {
        "before": {"currency": currency, "net_minor": net_minor, "lines": len(lines)},
        "now": {
            "currency": payout.currency,
            "net_minor": payout.net_minor,
            "lines": len(charges),
        },
    }
    return Difference(Kind.PAYOUT_CHANGED, payout.payout_id, detail)


def _of_line(line: Line) -> tuple[str, str, Money, int]:
    return line.order_id, line.gateway_transaction_id, line.money, line.fee_minor


def _of_charge(charge: SettledCharge) -> tuple[str, str, Money, int]:
    return charge.order_id, charge.gateway_transaction_id, charge.money, charge.fee_minor
