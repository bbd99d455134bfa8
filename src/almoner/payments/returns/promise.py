"""Promise: write down that a transaction is to be given back.

The promise is written down before the gateway hears of it and is never taken back: once a reversal
may be on its way, keeping the money could only be a lie.
"""

from __future__ import annotations

from almoner.payments import queries as attempt_queries
from almoner.payments.attempt import AttemptRow
from almoner.payments.due import queries as due_queries
from almoner.payments.gateway import request_key_of
from almoner.payments.returns import queries
from almoner.payments.returns.money_return import MoneyReturn, Reason
from almoner.platform.clock import now_ms
from almoner.platform.db import Connection
from almoner.platform.ids import new_id


async def is_promised(connection: Connection, attempt: AttemptRow) -> bool:
    """Whether anything of the attempt is promised back and not given back yet."""
    return await queries.is_promised(connection, attempt.attempt_id)


async def promise(
    connection: Connection, attempt: AttemptRow, transaction_id: str, reason: Reason
) -> bool:
    """Promise a transaction of an attempt back, inside the caller's transaction.

    False when the attempt was changed since it was read: then nothing is promised, and whoever
    decides must read it again. What is promised already stays promised once.
    """
    if not await attempt_queries.lock_unchanged(connection, attempt):
        return False
    number = 1 + await queries.count_done(connection, attempt.attempt_id)
    back = MoneyReturn(
        new_id(),
        attempt.attempt_id,
        attempt.donor_id,
        attempt.gateway,
        transaction_id,
        attempt.money,
        reason,
        request_key_of(attempt.attempt_id, f"reverse:{transaction_id}:{number}"),
        now_ms(),
    )
    await queries.insert(connection, back)
    await due_queries.take_over(connection, attempt.attempt_id, attempt.donor_id)
    return True
