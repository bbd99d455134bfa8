"""Mistakes with attempts: who may make one, send it, move it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from msgspec import structs

from almoner.donations.give import Giving
from almoner.donations.intend import IntentWriter
from almoner.donations.keys import RequestKey
from almoner.payments import gateway
from almoner.payments.attempt import Attempt, AttemptRow, AttemptState
from almoner.platform.ids import new_id
from simulation.planted.bug import Bug, replace
from simulation.store.transaction import Transaction
from simulation.twins import instead, twin_of

if TYPE_CHECKING:
    from almoner.donations.gift import Intent
    from almoner.payments.outcome import Outcome
    from simulation.run import Run


def _no_unique_index(run: Run) -> None:
    run.server.store.schema.attempt.without("payment_attempt_one_live")


def _another_attempt_in_doubt(stack: ExitStack) -> None:
    real = IntentWriter._next_attempt

    def next_attempt(
        self: IntentWriter, intent: Intent, records: Any, attempts: dict[UUID, AttemptRow]
    ) -> Any:
        attempt = attempts[intent.donation_id]
        if attempt.state is AttemptState.UNKNOWN:
            not_sent = structs.replace(attempt, state=AttemptState.NOT_SENT)
            attempts = {**attempts, intent.donation_id: not_sent}
        return real(self, intent, records, attempts)

    replace(stack, IntentWriter, "_next_attempt", next_attempt)


def _another_request_key(stack: ExitStack) -> None:
    def request_key_of(attempt_id: UUID, kind: str) -> str:
        return f"{attempt_id.hex}:{kind}:{new_id().hex}"

    replace(stack, gateway, "request_key_of", request_key_of)


def _sent_before_stamped(stack: ExitStack) -> None:
    real = Giving._carry_out

    async def carry_out(self: Giving, intent: Intent, waiting: Any, care: Any) -> Any:
        charge = gateway.Charge(
            intent.attempt.attempt_id, intent.gift.money, intent.gift.instrument
        )
        await self._charging.charge(intent.attempt.gateway, charge)
        return await real(self, intent, waiting, care)

    replace(stack, Giving, "_carry_out", carry_out)


def _withdraws_any_stamp(stack: ExitStack) -> None:
    def refuse_nothing(self: Giving, intent: Intent) -> None:
        """Each request is carried out."""

    replace(stack, Giving, "_refuse_if_under_way", refuse_nothing)
    instead(stack, "payments", "withdraw_unsent", _withdraw_any)


async def _withdraw_any(
    tx: Transaction, attempts: Sequence[Attempt], operation_ids: Sequence[UUID], at_ms: int
) -> int:
    real: Any = twin_of("payments", "withdraw_unsent")
    owners = {row.payable_id: row.lease_owner for row in tx.rows(tx.store.schema.attempt)}
    anybodys = [
        structs.replace(a, lease_owner=owners.get(a.payable_id, a.lease_owner)) for a in attempts
    ]
    count: int = await real(tx, anybodys, operation_ids, at_ms)
    return count


def _moves_without_looking(stack: ExitStack) -> None:
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


def _other_ids(stack: ExitStack) -> None:
    replace(stack, RequestKey, "donation_id", lambda self, ids: new_id())


BUGS: Final = (
    Bug(
        "fail-over of an UNKNOWN, no unique index",
        "a second attempt is made while the first is in doubt",
        frozenset({1, 5}),
        _another_attempt_in_doubt,
        _no_unique_index,
    ),
    Bug(
        "fail-over of an UNKNOWN",
        "the same; the index turns a second charge into an error",
        frozenset({0}),
        _another_attempt_in_doubt,
    ),
    Bug(
        "another request key for each try",
        "what is asked again is asked under a new key",
        frozenset({1, 2, 7}),
        _another_request_key,
    ),
    Bug(
        "sent before stamped",
        "the charge goes out while the intent is still being written",
        frozenset({4}),
        _sent_before_stamped,
    ),
    Bug(
        "withdraws another's stamp",
        "a stamp that went unseen is withdrawn whichever request it belongs to; as it once was",
        frozenset({1, 2, 7, 11}),
        _withdraws_any_stamp,
    ),
    Bug(
        "moves without version and lease",
        "the last one to write wins",
        frozenset({7, 9, 15}),
        _moves_without_looking,
    ),
    Bug(
        "ids that do not follow from the key",
        "a double click is two donations",
        frozenset({1, 3}),
        _other_ids,
    ),
)
