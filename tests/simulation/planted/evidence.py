"""Mistakes about what an answer, or its absence, proves."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import aiohttp

from almoner.payments import classify, judge, queries, resolve, send
from almoner.payments.attempt import AttemptState
from almoner.payments.classify import Failures, Signal
from almoner.payments.gateway import Observation, Seen
from almoner.payments.judge import MissRules
from almoner.payments.moves import SURPRISE, path_of
from almoner.payments.outcome import Outcome
from almoner.payments.webhooks.work_off import WebhookWork
from almoner.platform.clock import now_ms
from almoner.platform.ids import new_id
from simulation import gateway as adapter
from simulation.planted.bug import Bug, replace

if TYPE_CHECKING:
    from almoner.payments.attempt import AttemptRow
    from almoner.payments.webhooks.webhook import Waiting


def _first_miss_counts(stack: ExitStack) -> None:
    def after_miss(attempt: AttemptRow, at_ms: int, rules: MissRules) -> Any:
        if attempt.state is AttemptState.UNKNOWN:
            return (AttemptState.NOT_CHARGED,), attempt.misses + 1
        return _real_after_miss(attempt, at_ms, rules)

    replace(stack, judge, "_after_miss", after_miss)


def _second_miss_too_early(stack: ExitStack) -> None:
    def after_miss(attempt: AttemptRow, at_ms: int, _: MissRules) -> Any:
        return _real_after_miss(attempt, at_ms, MissRules(2_000, 15_000))

    replace(stack, judge, "_after_miss", after_miss)


_real_after_miss: Any = judge._after_miss


def _no_answer_is_a_miss(stack: ExitStack) -> None:
    real = judge.judge

    def judged(
        attempt: AttemptRow, observation: Observation | None, rules: MissRules, started_ms: int
    ) -> Any:
        seen = observation
        if observation is not None and observation.seen is Seen.UNKNOWN:
            seen = None
        return real(attempt, seen, rules, started_ms)

    replace(stack, resolve, "judge", judged)


def _a_reset_is_not_sent(stack: ExitStack) -> None:
    resets = dict.fromkeys((ConnectionResetError, aiohttp.ServerDisconnectedError), Signal.NOT_SENT)
    replace(stack, adapter, "TRANSPORT", Failures({**classify.TRANSPORT.table, **resets}))


def _an_error_is_a_no(stack: ExitStack) -> None:
    real = classify.of_status

    def of_status(status: int) -> Signal | None:
        return Signal.FAULT if status in {500, 502} else real(status)

    replace(stack, adapter, "of_status", of_status)


def _a_deadline_is_not_sent(stack: ExitStack) -> None:
    async def once(self: Any, charge: Any, course: Any) -> Observation:
        try:
            found: Observation = await self._guard.call(
                lambda: self._ask(charge), course.deadline_at, self._is_ill
            )
        except TimeoutError:
            return Observation(Seen.NOT_SENT, gateway_code="deadline")
        return found

    replace(stack, send.Sender, "_once", once)


def _believes_the_last_word(stack: ExitStack) -> None:
    def proves(observation: Observation, *, maybe_taken: bool) -> bool:
        return observation.seen in (Seen.SUBMITTED, Seen.DECLINED, Seen.NOT_SENT)

    replace(stack, send, "_proves", proves)


def _a_webhook_sets_the_state(stack: ExitStack) -> None:
    real = WebhookWork._work_off

    async def work_off(self: WebhookWork, webhook: Waiting) -> None:
        async with self._database.transaction() as connection:
            ids = [UUID(hex=order_id) for order_id in webhook.order_ids]
            for attempt in await queries.read_attempts(connection, ids):
                path = path_of(attempt.state, webhook.claims or Seen.UNKNOWN)
                if path is not SURPRISE and path:
                    claimed = _outcome(attempt, path[-1])
                    await queries.move_attempts(connection, [claimed])
        await real(self, webhook)

    replace(stack, WebhookWork, "_work_off", work_off)


def _outcome(attempt: AttemptRow, state: AttemptState) -> Outcome:
    at_ms = now_ms()
    return Outcome(
        attempt.attempt_id,
        attempt.donor_id,
        attempt.version,
        attempt.lease_epoch,
        state,
        attempt.gateway_transaction_id or "claimed",
        "claimed",
        new_id(),
        "look_up",
        "claimed",
        None,
        at_ms,
        at_ms,
    )


BUGS: Final = (
    Bug("a miss is a no", "the first miss counts", frozenset({2, 7}), _first_miss_counts),
    Bug(
        "second miss too early",
        "it counts after 15 seconds, not 15 minutes",
        frozenset({2, 7}),
        _second_miss_too_early,
    ),
    Bug(
        "no answer is a miss",
        "a look-up that fails counts as one that found nothing",
        frozenset({2, 7}),
        _no_answer_is_a_miss,
    ),
    Bug(
        "NOT_SENT for a reset",
        "a connection that broke is taken for one that never stood",
        frozenset({2, 7}),
        _a_reset_is_not_sent,
    ),
    Bug("a 500 is a no", "an error is taken for a refusal", frozenset({2, 7}), _an_error_is_a_no),
    Bug(
        "NOT_SENT for a deadline",
        "silence is taken for a request that was never sent",
        frozenset({2, 7}),
        _a_deadline_is_not_sent,
    ),
    Bug(
        "believes the last word only",
        "a refused connection after `in flight` is taken for a no",
        frozenset({2, 7}),
        _believes_the_last_word,
    ),
    Bug(
        "a webhook sets the state",
        "what it claims is written down without asking the gateway",
        frozenset({2, 4, 11, 15}),
        _a_webhook_sets_the_state,
    ),
)
