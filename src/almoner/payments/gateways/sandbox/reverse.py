"""Reverse: the sandbox gives money back, once for a request key and once for a charge."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from almoner.money import Money
from almoner.payments.gateways.sandbox import notices
from almoner.payments.gateways.sandbox.truth import ROW, ChargeState, entry_of
from almoner.platform.db import Connection

Kind = Literal["void", "refund"]
_DONE: dict[ChargeState, Kind] = {ChargeState.VOIDED: "void", ChargeState.REFUNDED: "refund"}
_POSSIBLE: dict[ChargeState, tuple[Kind, ChargeState]] = {
    ChargeState.SUBMITTED: ("void", ChargeState.VOIDED),
    ChargeState.SETTLED: ("refund", ChargeState.REFUNDED),
}


class Reversed(Struct, frozen=True):
    """What was done, or the word for why nothing was."""

    kind: Kind | None
    code: str


async def reverse(
    connection: Connection, order_id: str, transaction: str, money: Money, request_key: str
) -> Reversed:
    """Void what is not settled yet, refund what is; inside the caller's transaction.

    One that was given back before is told as done, under whatever key: the money is back. A
    disputed charge is in the bank's hands and cannot be given back by us.
    """
    cursor = await connection.execute(
        ROW.encode() + b"WHERE order_id = %s AND charged_at <= clock_timestamp() FOR UPDATE",
        (order_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return Reversed(None, "not_found")
    entry = entry_of(row)
    if entry.transaction_id != transaction:
        return Reversed(None, "another_transaction")
    if entry.money != money:
        return Reversed(None, "another_amount")
    if kind := _DONE.get(entry.state):
        return Reversed(kind, "given_back_before")
    if entry.state not in _POSSIBLE:
        return Reversed(None, f"is_{entry.state}")
    kind, state = _POSSIBLE[entry.state]
    await connection.execute(
        "UPDATE sandbox_charge SET state = %s WHERE order_id = %s", (state, order_id)
    )
    await connection.execute(
        "INSERT INTO sandbox_reversal (request_key, order_id, kind) VALUES (%s, %s, %s)",
        (request_key, order_id, kind),
    )
    await notices.queue(connection, f"charge.{state}", [order_id])
    return Reversed(kind, state)
