"""Mistakes about what is told to donors, and when."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from msgspec import structs

from almoner.donations import queries
from almoner.donations.give import Giving
from almoner.donations.settle import SettlementWriter
from almoner.payments.attempt import AttemptRow, AttemptState
from almoner.platform.clock import now_ms
from simulation.planted.bug import Bug, replace
from simulation.store.transaction import Transaction
from simulation.twins import instead, twin_of

if TYPE_CHECKING:
    from almoner.donations.answer import Answer
    from almoner.donations.settle import Settlement


def _told_before_written(stack: ExitStack) -> None:
    real = Giving._carry_out

    async def carry_out(self: Giving, intent: Any, waiting: Any, care: Any) -> Any:
        waiting.tell()
        return await real(self, intent, waiting, care)

    replace(stack, Giving, "_carry_out", carry_out)


def _keeps_an_open_answer(stack: ExitStack) -> None:
    real = SettlementWriter.write

    async def write(self: SettlementWriter, settlements: Sequence[Settlement]) -> list[Answer]:
        answers = await real(self, settlements)
        async with self._writer.transaction() as connection:
            await queries.store_responses(connection, answers)
        return answers

    replace(stack, SettlementWriter, "write", write)


def _answers_anew(stack: ExitStack) -> None:
    real = Giving._answer_now

    def answer_now(self: Giving, record: Any, attempt: AttemptRow, facts: Any) -> Answer:
        if record.response_status is not None:
            record = structs.replace(record, response_status=None, response_body=None)
            attempt = structs.replace(attempt, observed_ms=now_ms(), captured_ms=now_ms())
        return real(self, record, attempt, facts)

    replace(stack, Giving, "_answer_now", answer_now)


def _reads_an_old_copy(stack: ExitStack) -> None:
    instead(stack, "payments", "latest_attempts", _read_behind)


async def _read_behind(
    tx: Transaction, payables: Sequence[tuple[UUID, UUID]]
) -> dict[UUID, AttemptRow]:
    real: Any = twin_of("payments", "latest_attempts")
    rows: dict[UUID, AttemptRow] = await real(tx, payables)
    then_ms = tx.store.world.now_ms - 5_000
    old: dict[UUID, Any] = {}
    for change in tx.store.changes("payment_attempt"):
        if change.at_ms <= then_ms:
            old[change.new.payable_id] = change.new
    return {
        payable: structs.replace(row, state=AttemptState(old[payable].state))
        if payable in old
        else row
        for payable, row in rows.items()
    }


BUGS: Final = (
    Bug(
        "told before written",
        "a donor is told `processing` before the gift is written down",
        frozenset({3}),
        _told_before_written,
    ),
    Bug(
        "stores an answer that is not final",
        "a 202 is kept, and replayed for ever",
        frozenset({14}),
        _keeps_an_open_answer,
    ),
    Bug(
        "answers a used key anew",
        "from the state, with today's time, instead of the stored bytes",
        frozenset({6}),
        _answers_anew,
    ),
    Bug(
        "reads an old copy",
        "attempts come from a replica that is five seconds behind",
        frozenset({14}),
        _reads_an_old_copy,
    ),
)
