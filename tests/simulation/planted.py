"""Planted bugs: each is a mistake that somebody could make, and that a run must find.

A bug is planted by replacing something of the production code, or of its twins, for as long as the
runs take. `test_planted.py` says after how many seeds each must have been found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch
from uuid import UUID

from msgspec import Struct, structs

from almoner.donations import give, intend, queries, settle
from almoner.donations.give import Giving
from almoner.donations.intend import IntentWriter
from almoner.donations.settle import SettlementWriter
from almoner.ledger.post import post
from almoner.payments import classify, gateway, resolve, send
from almoner.payments.attempt import AttemptRow, AttemptState
from almoner.payments.classify import Failures, Signal
from almoner.payments.gateway import Observation, Seen
from almoner.payments.resolve import MissRules
from almoner.platform.ids import new_id
from simulation import gateway as simulated_gateway
from simulation.run import Run, run_on_stage
from simulation.store.transaction import Transaction
from simulation.stage import set_up
from simulation.twins import instead, twin_of

if TYPE_CHECKING:
    from almoner.donations.answer import Answer
    from almoner.donations.gift import Intent
    from almoner.donations.settle import Settlement
    from almoner.ledger.transfer import Transfer
    from almoner.payments.outcome import Outcome
    from almoner.platform.db import Connection

Plant = Callable[[ExitStack], None]


def _nothing(_: Run) -> None:
    """Nothing to change in the run itself."""


class Planted(Struct, frozen=True):
    """A mistake. `found_by` are the numbers of the invariants that may find it."""

    name: str
    sentence: str
    plant: Plant
    found_by: frozenset[int]
    in_run: Callable[[Run], None] = _nothing


class Found(Struct, frozen=True):
    """After how many seeds a planted bug was found, and what it broke."""

    seeds: int
    breach: str


def hunt(bug: Planted, *, seeds_max: int, first: int = 0) -> Found | None:
    """Run seeds until the bug is found by one of its invariants; None if it was not."""
    with set_up(), planted(bug):
        for seed in range(first, first + seeds_max):
            report = run_on_stage(seed, change=bug.in_run)
            for breach in report.breaches:
                if int(breach.partition(" ")[0]) in bug.found_by:
                    return Found(seed - first + 1, breach)
    return None


@contextmanager
def planted(bug: Planted) -> Iterator[None]:
    """The bug is there meanwhile."""
    with ExitStack() as stack:
        bug.plant(stack)
        yield


def _replace(stack: ExitStack, owner: object, name: str, value: object) -> None:
    stack.enter_context(patch.object(owner, name, value))


# Attempts.


def _no_unique_index(run: Run) -> None:
    run.server.store.schema.attempt.without("payment_attempt_one_live")


def _sends_again_under_another_key(stack: ExitStack) -> None:
    """Each request to the gateway has a request key of its own."""
    _replace(
        stack,
        gateway,
        "request_key_of",
        lambda attempt_id, kind: f"{attempt_id.hex}:{kind}:{new_id().hex}",
    )


def _another_attempt_in_doubt(stack: ExitStack) -> None:
    """A key whose attempt is in doubt gets another attempt, as if that were a fail-over."""
    real = IntentWriter._next_attempt

    def next_attempt(
        self: IntentWriter, intent: Intent, records: Any, attempts: dict[UUID, AttemptRow]
    ) -> Any:
        attempt = attempts[intent.donation_id]
        if attempt.state is AttemptState.UNKNOWN:
            not_sent = structs.replace(attempt, state=AttemptState.NOT_SENT)
            attempts = {**attempts, intent.donation_id: not_sent}
        return real(self, intent, records, attempts)

    _replace(stack, IntentWriter, "_next_attempt", next_attempt)


def _sends_before_it_is_stamped(stack: ExitStack) -> None:
    """The charge goes out while the intent is still being written."""
    real = Giving._carry_out

    async def carry_out(self: Giving, intent: Intent, waiting: Any) -> Any:
        begun = intend.Begun(intent.attempt)
        charge = gateway.Charge(begun.attempt.attempt_id, intent.gift.money, intent.gift.instrument)
        await self._charging.charge(begun.attempt.gateway, charge)
        return await real(self, intent, waiting)

    _replace(stack, Giving, "_carry_out", carry_out)


def _withdraws_what_another_sent(stack: ExitStack) -> None:
    """A stamp that went unseen is withdrawn whichever request it belongs to."""
    instead(stack, "payments", "withdraw_unsent", _withdraw_any)


async def _withdraw_any(tx: Transaction, stamps: Sequence[tuple[UUID, UUID, UUID]]) -> int:
    real: Any = twin_of("payments", "withdraw_unsent")
    mine = {payable for payable, _, _ in stamps}
    count: int = await real(
        tx,
        [
            (row.payable_id, row.donor_id, row.lease_owner)
            for row in tx.rows(tx.store.schema.attempt)
            if row.payable_id in mine
        ],
    )
    return count


def _moves_without_looking(stack: ExitStack) -> None:
    """A move ignores version and lease: the last one to write wins."""
    instead(stack, "payments", "move_attempts", _move_anyhow)


async def _move_anyhow(tx: Transaction, outcomes: Sequence[Outcome]) -> set[UUID]:
    real: Any = twin_of("payments", "move_attempts")
    now = {row.attempt_id: row for row in tx.rows(tx.store.schema.attempt)}
    moved: set[UUID] = await real(
        tx,
        [
            structs.replace(
                o, version=now[o.attempt_id].version, lease_epoch=now[o.attempt_id].lease_epoch
            )
            for o in outcomes
        ],
    )
    return moved


def _takes_another_id_each_time(stack: ExitStack) -> None:
    """A donation's id does not follow from its key."""
    _replace(stack, give.RequestKey, "donation_id", lambda self, ids: new_id())


# What counts as evidence.


def _first_miss_counts(stack: ExitStack) -> None:
    """What is not found is not charged."""
    _replace(
        stack,
        resolve,
        "_after_miss",
        lambda attempt, age_ms, rules: (
            (AttemptState.NOT_CHARGED, attempt.misses + 1)
            if attempt.state is AttemptState.UNKNOWN
            else (AttemptState.UNKNOWN, attempt.misses + 1)
        ),
    )


def _second_miss_too_early(stack: ExitStack) -> None:
    """Two misses count, but from 15 seconds on instead of 15 minutes."""
    real = resolve._after_miss

    def after_miss(attempt: AttemptRow, age_ms: int, _: MissRules) -> Any:
        return real(attempt, age_ms, MissRules(2_000, 15_000))

    _replace(stack, resolve, "_after_miss", after_miss)


def _a_reset_is_not_sent(stack: ExitStack) -> None:
    """A connection that broke is taken for one that never stood."""
    resets = dict.fromkeys(
        (ConnectionResetError, simulated_gateway.aiohttp.ServerDisconnectedError), Signal.NOT_SENT
    )
    table = {**classify.TRANSPORT.table, **resets}
    _replace(stack, simulated_gateway, "TRANSPORT", Failures(table))


def _an_error_is_a_no(stack: ExitStack) -> None:
    """A 500 or 502 is taken for a refusal."""
    real = classify.of_status

    def of_status(status: int) -> Signal | None:
        return Signal.FAULT if status in {500, 502} else real(status)

    _replace(stack, simulated_gateway, "of_status", of_status)


def _a_deadline_is_not_sent(stack: ExitStack) -> None:
    """An answer that did not come in time is taken for a request that was never sent."""

    async def once(self: Any, charge: Any, course: Any) -> Observation:
        try:
            found: Observation = await self._guard.call(
                lambda: self._ask(charge), course.deadline_at, self._is_ill
            )
        except TimeoutError:
            return Observation(Seen.NOT_SENT, gateway_code="deadline")
        return found

    _replace(stack, send.Sender, "_once", once)


def _believes_a_retry(stack: ExitStack) -> None:
    """After "in flight" a refused connection is believed to mean that nothing was charged."""
    _replace(
        stack,
        send,
        "_proves",
        lambda observation, *, maybe_taken: (
            observation.seen in (Seen.SUBMITTED, Seen.DECLINED, Seen.NOT_SENT)
        ),
    )


# What is told.


def _told_before_it_is_written(stack: ExitStack) -> None:
    """A donor is told "processing" before the gift is written down."""
    real = Giving._carry_out

    async def carry_out(self: Giving, intent: Intent, waiting: Any) -> Any:
        waiting.begin()
        return await real(self, intent, waiting)

    _replace(stack, Giving, "_carry_out", carry_out)
    _replace(stack, give, "GivingPolicy", give.GivingPolicy)
    stack.enter_context(patch.object(give._Waiting, "tell_if_begun", _tell_at_once))


def _tell_at_once(self: Any) -> None:
    self.tell()


def _keeps_an_open_answer(stack: ExitStack) -> None:
    """An answer that is not final is stored, and replayed for ever."""
    real = SettlementWriter.write

    async def write(self: SettlementWriter, settlements: Sequence[Settlement]) -> list[Answer]:
        answers = await real(self, settlements)
        async with self._writer.transaction() as connection:
            await queries.store_responses(connection, answers)
        return answers

    _replace(stack, SettlementWriter, "write", write)


def _answers_anew(stack: ExitStack) -> None:
    """A repeated key is answered from the state, with today's time, instead of as it was."""
    real = Giving._answer_now

    def answer_now(self: Giving, record: Any, attempt: AttemptRow, facts: Any) -> Answer:
        if record.response_status is not None:
            record = structs.replace(record, response_status=None, response_body=None)
            attempt = structs.replace(attempt, observed_ms=give.now_ms())
        return real(self, record, attempt, facts)

    _replace(stack, Giving, "_answer_now", answer_now)


def _reads_an_old_copy(stack: ExitStack) -> None:
    """Attempts are read from a replica that is some seconds behind."""
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


# What belongs into one transaction.


def _books_afterwards(stack: ExitStack) -> None:
    """The ledger is posted in a transaction of its own, after the move."""
    late: list[Transfer] = []
    real = SettlementWriter.write

    async def collect(_: Connection, transfers: Sequence[Transfer]) -> None:
        late.extend(transfers)

    async def write(self: SettlementWriter, settlements: Sequence[Settlement]) -> list[Answer]:
        answers = await real(self, settlements)
        mine, late[:] = list(late), []
        if mine:
            async with self._writer.transaction() as connection:
                await post(connection, mine)
        return answers

    _replace(stack, settle, "post", collect)
    _replace(stack, SettlementWriter, "write", write)


def _tells_afterwards(stack: ExitStack) -> None:
    """Events are written in a transaction of their own, after the move."""
    late: list[Any] = []
    real, tell = SettlementWriter.write, settle.tell

    async def collect(_: Connection, events: Sequence[Any]) -> None:
        late.extend(events)

    async def write(self: SettlementWriter, settlements: Sequence[Settlement]) -> list[Answer]:
        answers = await real(self, settlements)
        mine, late[:] = list(late), []
        if mine:
            async with self._writer.transaction() as connection:
                await tell(connection, mine)
        return answers

    _replace(stack, settle, "tell", collect)
    _replace(stack, SettlementWriter, "write", write)


def _judges_without_a_lock(stack: ExitStack) -> None:
    """Two gifts that look alike are judged at the same time."""
    instead(stack, "donations", "lock_looks", _no_lock)


async def _no_lock(tx: Transaction, looks: Sequence[int]) -> None:
    """Lock nothing."""


def _as_it_is(_: ExitStack) -> None:
    """Nothing of the code is replaced."""


BUGS: Final = (
    Planted(
        "fail-over of an UNKNOWN, no unique index",
        "a second attempt while the first is in doubt",
        _another_attempt_in_doubt,
        frozenset({1, 5}),
        _no_unique_index,
    ),
    Planted(
        "fail-over of an UNKNOWN",
        "the same, stopped by the index: an error instead of a second charge",
        _another_attempt_in_doubt,
        frozenset({0}),
    ),
    Planted(
        "another request key for each try",
        "asks again under a new key",
        _sends_again_under_another_key,
        frozenset({1, 2, 7}),
    ),
    Planted(
        "sent before stamped", "sends, then writes", _sends_before_it_is_stamped, frozenset({4})
    ),
    Planted(
        "withdraws what another request sent",
        "a stamp is not told from another request's",
        _withdraws_what_another_sent,
        frozenset({1, 2, 7}),
    ),
    Planted(
        "moves without version and lease",
        "a stale lease changes something",
        _moves_without_looking,
        frozenset({7, 9, 15}),
    ),
    Planted(
        "ids that do not follow from the key",
        "a double click is two donations",
        _takes_another_id_each_time,
        frozenset({1, 3}),
    ),
    Planted("a miss is a no", "the first miss counts", _first_miss_counts, frozenset({2, 7})),
    Planted(
        "second miss too early", "after 15 s, not 15 min", _second_miss_too_early, frozenset({2, 7})
    ),
    Planted("NOT_SENT for a reset", "a reset proves nothing", _a_reset_is_not_sent, frozenset({2, 7})),
    Planted("a 500 is a no", "an error proves nothing", _an_error_is_a_no, frozenset({2, 7})),
    Planted(
        "NOT_SENT for a deadline", "silence proves nothing", _a_deadline_is_not_sent, frozenset({2, 7})
    ),
    Planted(
        "believes the last word only",
        "a refused retry after `in flight` proves nothing",
        _believes_a_retry,
        frozenset({2, 7}),
    ),
    Planted(
        "told before written", "`processing` before the commit", _told_before_it_is_written,
        frozenset({3}),
    ),
    Planted(
        "stores an answer that is not final", "202 for ever", _keeps_an_open_answer, frozenset({14})
    ),
    Planted("answers a used key anew", "other bytes", _answers_anew, frozenset({6})),
    Planted("reads an old copy", "a replica that lags", _reads_an_old_copy, frozenset({14})),
    Planted(
        "ledger outside of the move", "two transactions", _books_afterwards, frozenset({11})
    ),
    Planted("event outside of the move", "two transactions", _tells_afterwards, frozenset({12})),
    Planted(
        "look-alike guard without lock", "both are judged at once", _judges_without_a_lock,
        frozenset({6}),
    ),
)  # fmt: skip
