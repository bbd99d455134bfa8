"""Judge: what a look-up means for an attempt."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, structs

from almoner.payments.attempt import CAPTURED, IN_DOUBT, AttemptRow
from almoner.payments.attempt import AttemptState as State
from almoner.payments.due.schedule import (
    GIVE_UP_AFTER_MS,
    NOT_ASKED,
    next_look_ms,
    no_answer_ms,
    not_asked_ms,
)
from almoner.payments.gateway import Observation, Seen, request_key_of
from almoner.payments.moves import SURPRISE, Path, path_of
from almoner.payments.outcome import Outcome
from almoner.platform.clock import now_ms
from almoner.platform.ids import new_id

SECOND_TRANSACTION: Final = "second_transaction"
"""The code of an operation that saw another transaction captured than the one in the books."""

_MONEY: Final = frozenset({Seen.SUBMITTED, Seen.SETTLED, Seen.DISPUTED, Seen.AUTHORIZED})
_CHECKS_MAX: Final = 32_000
_CODES: Final = {
    State.NOT_CHARGED: "not_charged",
    State.VOIDED: "money_returned",
    State.SETTLEMENT_FAILED: "settlement_failed",
}


class MissRules(Struct, frozen=True):
    """From which age of a charge a first, and a second, missed look-up counts."""

    first_ms: int = 120_000
    second_ms: int = 900_000


class Judgement(Struct, frozen=True):
    """The moves that a look-up makes, one after the other; at least one, which may change nothing.

    `surprise` names what contradicts our books and cannot be mended by a move.
    """

    outcomes: tuple[Outcome, ...]
    surprise: str | None = None


def judge(
    attempt: AttemptRow, observation: Observation | None, rules: MissRules, started_ms: int
) -> Judgement:
    """What a look-up that began at `started_ms` means for the attempt that it was made for."""
    at_ms = now_ms()
    misses, surprise = attempt.misses, None
    if observation is None:
        seen = Observation(Seen.UNKNOWN, gateway_code="not_found")
        path, misses = _after_miss(attempt, at_ms, rules)
        if attempt.state in CAPTURED and not _may_lag(attempt, at_ms, rules):
            surprise = "captured_here_only"
    else:
        seen = _usable(observation)
        path, surprise = _after_answer(attempt, seen, at_ms)
        if surprise == SECOND_TRANSACTION:
            seen = structs.replace(seen, gateway_code=SECOND_TRANSACTION)
    steps = path or (attempt.state,)
    look = _Look(
        attempt,
        seen,
        started_ms,
        at_ms,
        misses,
        unasked=_unasked(seen, observation),
        surprised=surprise is not None,
        lags=observation is None and _may_lag(attempt, at_ms, rules),
    )
    outcomes = tuple(_outcome(look, state, number) for number, state in enumerate(steps))
    return Judgement(_scheduled_at_the_end(look, outcomes), surprise)


class _Look(Struct, frozen=True):
    """One look-up with what it was made for.

    `lags`: it was a miss, and the gateway's index need not know so young a charge.
    """

    attempt: AttemptRow
    seen: Observation
    started_ms: int
    at_ms: int
    misses: int
    unasked: bool
    surprised: bool
    lags: bool


def _unasked(seen: Observation, observation: Observation | None) -> bool:
    return observation is not None and seen.gateway_code in NOT_ASKED


def _usable(observation: Observation) -> Observation:
    """The observation, unless it tells of money without a transaction: that cannot be booked."""
    if observation.seen in _MONEY and observation.gateway_transaction_id is None:
        return Observation(Seen.UNKNOWN, gateway_code="no_transaction")
    return observation


def _after_answer(attempt: AttemptRow, seen: Observation, at_ms: int) -> tuple[Path, str | None]:
    """The moves that an answer makes, and what of it is a surprise.

    Another transaction than the one in the books changes nothing of the first: where it holds
    money it is a second capture, which goes to people.
    """
    if seen.seen is Seen.UNKNOWN:
        return _after_no_answer(attempt, at_ms, seen.gateway_code), None
    booked = attempt.gateway_transaction_id if attempt.state in CAPTURED else None
    if booked is not None and seen.gateway_transaction_id not in (None, booked):
        return (), SECOND_TRANSACTION if seen.seen in _MONEY else "another_transaction"
    found = path_of(attempt.state, seen.seen)
    return ((), f"seen_{seen.seen.lower()}") if found is SURPRISE else (found, None)


def _after_miss(attempt: AttemptRow, at_ms: int, rules: MissRules) -> tuple[Path, int]:
    if attempt.state not in IN_DOUBT:
        return (), attempt.misses
    age_ms = at_ms - attempt.dispatched_ms
    if age_ms >= rules.second_ms and attempt.misses and attempt.state is State.UNKNOWN:
        return (State.NOT_CHARGED,), attempt.misses + 1
    return _in_doubt(attempt, age_ms), attempt.misses + (age_ms >= rules.first_ms)


def _may_lag(attempt: AttemptRow, at_ms: int, rules: MissRules) -> bool:
    """Whether a capture is so young that the gateway's index need not know it yet."""
    return at_ms - (attempt.captured_ms or attempt.dispatched_ms) < rules.second_ms


def _after_no_answer(attempt: AttemptRow, at_ms: int, code: str | None) -> Path:
    if attempt.state not in IN_DOUBT:
        return ()
    if attempt.state is State.DISPATCHED and code in NOT_ASKED:
        return ()
    return _in_doubt(attempt, at_ms - attempt.dispatched_ms)


def _in_doubt(attempt: AttemptRow, age_ms: int) -> Path:
    """Still no evidence: UNKNOWN, and after a week of that, people."""
    if attempt.state is State.UNKNOWN and age_ms > GIVE_UP_AFTER_MS:
        return (State.NEEDS_REVIEW,)
    return (State.UNKNOWN,)


def _outcome(look: _Look, state: State, number: int) -> Outcome:
    attempt, seen = look.attempt, look.seen
    moved = state is not attempt.state
    return Outcome(
        attempt_id=attempt.attempt_id,
        donor_id=attempt.donor_id,
        version=attempt.version + number,
        lease_epoch=attempt.lease_epoch,
        state=state,
        gateway_transaction_id=seen.gateway_transaction_id,
        decline_code=_decline_code(look, state) if moved else attempt.decline_code,
        operation_id=new_id(),
        operation_kind="look_up",
        request_key=request_key_of(attempt.attempt_id, f"look_up:{attempt.checks + 1}"),
        gateway_code=seen.gateway_code,
        started_ms=look.started_ms,
        finished_ms=look.at_ms,
        checks=min(attempt.checks + (not look.unasked), _CHECKS_MAX),
        misses=look.misses,
    )


def _decline_code(look: _Look, state: State) -> str | None:
    if state is State.LATE_SUCCESS:
        return look.attempt.decline_code
    if state is State.DECLINED:
        return look.seen.decline_code or "card_declined"
    return _CODES.get(state)


def _scheduled_at_the_end(look: _Look, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    next_ms = _next_ms(look, outcomes[-1].state)
    return (*outcomes[:-1], structs.replace(outcomes[-1], next_check_ms=next_ms))


def _knows_of_it(look: _Look) -> bool:
    """Whether a miss is the index's: the gateway has told of this charge before.

    Somebody had a reason to look, a webhook of a decline that was captured after all, say. Taken
    for an answer, the miss would end the matter until the daily match.
    """
    return look.lags and look.attempt.gateway_transaction_id is not None


def _next_ms(look: _Look, state: State) -> int | None:
    attempt = look.attempt
    if look.unasked and state is attempt.state:
        return not_asked_ms(look.at_ms)
    no_answer = look.seen.seen is Seen.UNKNOWN and (
        look.seen.gateway_code != "not_found" or _knows_of_it(look)
    )
    if no_answer and state is attempt.state and state not in IN_DOUBT:
        return no_answer_ms(look.at_ms)
    stood_ms = attempt.observed_ms if state is attempt.state else None
    return next_look_ms(state, attempt.dispatched_ms, stood_ms or look.at_ms, look.at_ms)
