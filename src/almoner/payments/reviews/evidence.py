"""Evidence: what people say was charged must be what the gateway says.

Two people can err together, or be deceived. Nobody is told "paid" on their word alone.
"""

from __future__ import annotations

from typing import Final

from almoner.money import Money
from almoner.payments.attempt import AttemptRow
from almoner.payments.gateway import Observation, Seen, order_id_of
from almoner.payments.resolve import Looking
from almoner.payments.reviews import queries
from almoner.payments.reviews.proposal import ReviewRefused
from almoner.platform.db import Connection

_CAPTURED: Final = frozenset({Seen.SUBMITTED, Seen.SETTLED, Seen.DISPUTED})
_WITHDRAW: Final = "Withdraw the proposal"


async def require_captured(looking: Looking, attempt: AttemptRow, transaction_id: str) -> None:
    """Ask the gateway whether it captured this attempt, by this transaction, with its sum.

    Raises ReviewRefused, with why and what to do, unless it says so now.
    """
    order_id = order_id_of(attempt.attempt_id)
    seen = await looking.look_up(attempt.gateway, order_id)
    if seen is None:
        raise ReviewRefused(
            f"The gateway finds no charge of the order {order_id}, and without one nothing is "
            f"approved as charged. {_WITHDRAW}. If it is not found tomorrow either, propose "
            "not-charged."
        )
    if seen.seen is Seen.UNKNOWN:
        raise ReviewRefused(
            f"The gateway could not be asked ({seen.gateway_code}), and without its word nothing "
            "is approved as charged. Nothing has changed: approve again later."
        )
    _compare(attempt, seen, transaction_id)


def _compare(attempt: AttemptRow, seen: Observation, transaction_id: str) -> None:
    if seen.gateway_transaction_id != transaction_id:
        raise ReviewRefused(
            f"The gateway files this charge under the transaction {seen.gateway_transaction_id}, "
            f"not {transaction_id}. {_WITHDRAW} and propose what the gateway says."
        )
    if seen.seen is Seen.AUTHORIZED:
        raise ReviewRefused(
            f"The gateway only holds the money of {transaction_id} and has not taken it. "
            f"{_WITHDRAW} and wait until the gateway has taken it or let it go."
        )
    if seen.seen not in _CAPTURED:
        raise ReviewRefused(
            f"The gateway says that {transaction_id} is {seen.seen}: it holds no captured money. "
            f"{_WITHDRAW} and propose not-charged."
        )
    if seen.money != attempt.money:
        said = "no sum" if seen.money is None else _sum_of(seen.money)
        raise ReviewRefused(
            f"The gateway says {said} for {transaction_id}, and the gift is of "
            f"{_sum_of(attempt.money)}. {_WITHDRAW} and ask the gateway's support; until that is "
            "cleared up the charge stays in review."
        )


async def require_unused(connection: Connection, attempt: AttemptRow, transaction_id: str) -> None:
    """Hold a transaction for this attempt until the caller's database transaction ends.

    Raises ReviewRefused if it belongs to another attempt.
    """
    await queries.hold_transaction(connection, attempt.gateway, transaction_id)
    other = await queries.used_elsewhere(connection, attempt, transaction_id)
    if other is not None:
        raise ReviewRefused(
            f"The transaction {transaction_id} belongs to the attempt {other} already, and one "
            f"transaction pays for one gift. {_WITHDRAW} and look the charge up at the gateway."
        )


def _sum_of(money: Money) -> str:
    return f"{money.decimal_text()} {money.currency}"
