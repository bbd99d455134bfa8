"""Dispute: the bank of the card objects to a charge that was paid out, and decides."""

from __future__ import annotations

from typing import Final, Literal

from almoner.payments.gateways.sandbox import notices
from almoner.payments.gateways.sandbox.truth import (
    ROW,
    ChargeState,
    Entry,
    entry_of,
    transaction_number,
)
from almoner.platform.db import Connection

Step = Literal["opened", "won", "lost"]
_MOVES: Final[dict[Step, tuple[ChargeState, ChargeState]]] = {
    "opened": (ChargeState.SETTLED, ChargeState.DISPUTED),
    "won": (ChargeState.DISPUTED, ChargeState.SETTLED),
    "lost": (ChargeState.DISPUTED, ChargeState.DISPUTE_LOST),
}


class CannotDispute(ValueError):
    """There is no such charge, or it is not where that step begins."""


async def dispute(connection: Connection, transaction: str, step: Step) -> Entry:
    """Take one step of a dispute, inside the caller's transaction. Raises CannotDispute."""
    cursor = await connection.execute(
        ROW.encode() + b"WHERE transaction_number = %s FOR UPDATE",
        (transaction_number(transaction),),
    )
    row = await cursor.fetchone()
    if row is None:
        raise CannotDispute(f"There is no charge {transaction}.")
    entry, (begins, ends) = entry_of(row), _MOVES[step]
    if entry.state is not begins:
        raise CannotDispute(
            f"{transaction} is {entry.state}. A dispute is {step} only of a charge that is "
            f"{begins}; `almoner sandbox settle` settles charges."
        )
    await connection.execute(
        "UPDATE sandbox_charge SET state = %s WHERE order_id = %s", (ends, entry.order_id)
    )
    await notices.queue(connection, f"dispute.{step}", [entry.order_id])
    return entry
