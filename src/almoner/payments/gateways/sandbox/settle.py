"""Settle: close the batch of captured charges, and pay it out less the fees."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Sequence
from typing import Final, TextIO

from almoner.money import Money
from almoner.payments.gateway import Payout, SettledCharge
from almoner.payments.gateways.sandbox import notices
from almoner.payments.gateways.sandbox.truth import transaction_id
from almoner.platform.clock import rfc3339
from almoner.platform.db import Connection, Database

FEE_PER_MILLE: Final = 29
FEE_MINOR: Final = 30
"""2.9 % and thirty of the smallest unit for each charge, rounded half up, at most the charge."""

_FEE: Final = f"least(amount_minor, (amount_minor * {FEE_PER_MILLE} + 500) / 1000 + {FEE_MINOR})"
_OPEN: Final = """
    state IS NULL AND charged_at <= clock_timestamp()
    AND (captured OR coalesce(captures_at <= clock_timestamp(), false))
"""
REPORT_COLUMNS: Final = (
    "payout_id",
    "paid_at",
    "order_id",
    "transaction_id",
    "currency",
    "amount_minor",
    "fee_minor",
)


async def close_batch(connection: Connection) -> list[str]:
    """One payout for each currency, in the caller's transaction; gives the ids of the payouts.

    Charges that were told to fail in the end do so now: the donor's bank took the money back
    before it was paid out.
    """
    cursor = await connection.execute(
        f"UPDATE sandbox_charge SET state = 'settlement_failed' WHERE {_OPEN} AND fails_settlement "
        "RETURNING order_id".encode()
    )
    failed = [row["order_id"] for row in await cursor.fetchall()]
    await notices.queue(connection, "charge.settlement_failed", failed)
    cursor = await connection.execute(
        f"SELECT DISTINCT currency FROM sandbox_charge WHERE {_OPEN} ORDER BY currency".encode()
    )
    return [await _pay_out(connection, row["currency"]) for row in await cursor.fetchall()]


async def _pay_out(connection: Connection, currency: str) -> str:
    cursor = await connection.execute(
        "INSERT INTO sandbox_payout (currency, charges, gross_minor, fee_minor) "
        "VALUES (%s, 0, 0, 0) RETURNING payout_number",
        (currency,),
    )
    number = (await cursor.fetchall())[0]["payout_number"]
    cursor = await connection.execute(
        f"UPDATE sandbox_charge SET state = 'settled', payout_number = %s, fee_minor = {_FEE} "
        f"WHERE {_OPEN} AND currency = %s RETURNING order_id".encode(),
        (number, currency),
    )
    settled = [row["order_id"] for row in await cursor.fetchall()]
    await connection.execute(
        """
        UPDATE sandbox_payout SET (charges, gross_minor, fee_minor) = (
            SELECT count(*), sum(amount_minor), sum(fee_minor) FROM sandbox_charge
            WHERE payout_number = %(number)s)
        WHERE payout_number = %(number)s
        """,
        {"number": number},
    )
    await notices.queue(connection, "charge.settled", settled)
    return payout_id(number)


async def payouts(
    database: Database, after: str
) -> AsyncIterator[tuple[Payout, Sequence[SettledCharge]]]:
    """Payouts with their charges, the oldest first, from the one behind the id `after` on."""
    last = payout_number(after)
    while rows := await database.fetch_all(
        "SELECT payout_number, currency, gross_minor - fee_minor AS net_minor, "
        "(extract(epoch FROM paid_at) * 1000)::bigint AS paid_ms "
        "FROM sandbox_payout WHERE payout_number > %s ORDER BY payout_number LIMIT 100",
        (last,),
    ):
        for row in rows:
            last = row["payout_number"]
            payout = Payout(payout_id(last), row["currency"], row["net_minor"], row["paid_ms"])
            yield payout, await _charges_of(database, last)


async def _charges_of(database: Database, number: int) -> list[SettledCharge]:
    rows = await database.fetch_all(
        "SELECT order_id, transaction_number, amount_minor, currency, fee_minor "
        "FROM sandbox_charge WHERE payout_number = %s ORDER BY order_id",
        (number,),
    )
    return [
        SettledCharge(
            payout_id(number),
            row["order_id"],
            transaction_id(row["transaction_number"]),
            Money(row["amount_minor"], row["currency"]),
            row["fee_minor"],
        )
        for row in rows
    ]


def write_report(file: TextIO, found: Sequence[tuple[Payout, Sequence[SettledCharge]]]) -> None:
    """The settlement report as CSV: a line for each charge of each payout."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(REPORT_COLUMNS)
    for payout, charges in found:
        writer.writerows(
            (
                payout.payout_id,
                rfc3339(payout.paid_ms),
                charge.order_id,
                charge.gateway_transaction_id,
                charge.money.currency,
                charge.money.amount_minor,
                charge.fee_minor,
            )
            for charge in charges
        )


def payout_id(number: int) -> str:
    """A gateway's kind of id for the running number of a payout."""
    return f"po{number:08d}"


def payout_number(text: str) -> int:
    """The running number of such an id; 0, which is before all, when it is none."""
    digits = text.removeprefix("po")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0
