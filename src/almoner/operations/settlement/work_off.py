"""Work off: bring each line of a settlement report into the books, or say what is wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct

from almoner.operations.match.difference import Difference
from almoner.operations.match.note import is_attempt_id
from almoner.operations.settlement import queries
from almoner.operations.settlement.judge import Known, Step, judge
from almoner.operations.settlement.queries import Line
from almoner.payments.attempt import AttemptRow, AttemptState
from almoner.payments.gateway import request_key_of
from almoner.payments.outcome import Outcome
from almoner.payments.record import current
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.errors import Unavailable
from almoner.platform.ids import new_id
from almoner.platform.metrics import SETTLEMENT_LINES

log = structlog.get_logger(__name__)

Settle = Callable[[AttemptRow, Outcome], Awaitable[object]]
"""Moves an attempt with its ledger entries, event and answer, in one commit."""

_AT_ONCE: Final = 200


class WorkedOff(Struct):
    """What became of lines. `waiting` are right, and were moved by somebody else meanwhile."""

    settled: int = 0
    waiting: int = 0
    differences: list[Difference] = []


async def work_off(database: Database, gateway: str, settle: Settle) -> WorkedOff:
    """Work off every open line of a gateway. Raises DatabaseAway.

    A line is looked at, its attempt moved, and the line looked at again: only what is then seen to
    be in the books counts as done. So it does not matter where a process dies, nor how many work
    at the same time.
    """
    done = WorkedOff(differences=[])
    after = ("", 0)
    while lines := await queries.open_lines(database, gateway, after, _AT_ONCE):
        after = (lines[-1].payout_id, lines[-1].line)
        await _some(database, lines, settle, done)
    for became, count in (
        ("settled", done.settled),
        ("waiting", done.waiting),
        ("different", len(done.differences)),
    ):
        SETTLEMENT_LINES.labels(became).inc(count)
    return done


async def _some(database: Database, lines: Sequence[Line], settle: Settle, done: WorkedOff) -> None:
    """Lines of one read. Of two for the same charge the first comes first."""
    rest = list(lines)
    while rest:
        first = {line.order_id: line for line in reversed(rest)}
        turn = [line for line in rest if first[line.order_id] is line]
        rest = [line for line in rest if first[line.order_id] is not line]
        await _turn(database, turn, settle, done)


async def _turn(database: Database, lines: Sequence[Line], settle: Settle, done: WorkedOff) -> None:
    """Lines of different charges."""
    known = await _known(database, lines)
    moves = [
        settle(attempt, _outcome(line, attempt))
        for line in lines
        if judge(line, known[line.order_id]) in (Step.SETTLE, Step.BOOK_FEE)
        and (attempt := known[line.order_id].attempt) is not None
    ]
    if moves:
        for failed in await asyncio.gather(*moves, return_exceptions=True):
            _tell(failed)
        known = await _known(database, lines)
    verdicts = [(line, judge(line, known[line.order_id])) for line in lines]
    done.differences += [v for _, v in verdicts if isinstance(v, Difference)]
    finished = [line for line, verdict in verdicts if verdict is Step.DONE]
    marked = not finished or await queries.mark_settled(database, finished, now_ms())
    done.settled += len(finished) if marked else 0
    done.waiting += sum(v in (Step.SETTLE, Step.BOOK_FEE) for _, v in verdicts)
    done.waiting += 0 if marked else len(finished)


def _tell(failed: object) -> None:
    """A fault of one line must not keep the others from being settled; it is tried again."""
    if isinstance(failed, Unavailable):
        raise failed
    if isinstance(failed, BaseException):
        log.error("settlement_line_failed", error=type(failed).__name__)


async def _known(database: Database, lines: Sequence[Line]) -> dict[str, Known]:
    """What is in the books for each order id: the attempt, its fee, and any line before."""
    order_ids = [line.order_id for line in lines]
    attempt_ids = [UUID(order_id) for order_id in order_ids if is_attempt_id(order_id)]
    async with database.connection() as connection:
        attempts = await current(connection, attempt_ids)
        fees = await queries.fees(connection, attempt_ids)
        paid_out = await queries.paid_out(connection, lines[0].gateway, order_ids)
    by_order = {attempt_id.hex: attempt_id for attempt_id in attempt_ids}
    return {
        order_id: Known(
            attempts.get(by_order.get(order_id, _NOBODY)),
            fees.get(by_order.get(order_id, _NOBODY)),
            order_id in paid_out,
        )
        for order_id in order_ids
    }


_NOBODY: Final = UUID(int=0)


def _outcome(line: Line, attempt: AttemptRow) -> Outcome:
    """SETTLED with the line's fee.

    An attempt that is settled or disputed already keeps its state; only the fee is posted.
    """
    at_ms = now_ms()
    submitted = attempt.state is AttemptState.SUBMITTED
    return Outcome(
        attempt_id=attempt.attempt_id,
        donor_id=attempt.donor_id,
        version=attempt.version,
        lease_epoch=attempt.lease_epoch,
        state=AttemptState.SETTLED if submitted else attempt.state,
        gateway_transaction_id=line.gateway_transaction_id,
        decline_code=attempt.decline_code,
        operation_id=new_id(),
        operation_kind="settlement",
        request_key=request_key_of(attempt.attempt_id, f"settlement:{line.payout_id}"),
        gateway_code=line.payout_id,
        started_ms=at_ms,
        finished_ms=at_ms,
        checks=attempt.checks,
        misses=attempt.misses,
        fee_minor=line.fee_minor,
    )
