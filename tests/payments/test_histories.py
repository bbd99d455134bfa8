"""Histories of one gift, drawn at random: the real code, on a real database, with a real gateway.

What the outside world does (captures late, settles, fails, disputes, hides a charge from look-ups)
is done in the sandbox's own record. After every step everything that must hold of this one gift is
looked at from outside, with statements of this file's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID, uuid4

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from almoner.payments.attempt import AttemptRow, AttemptState
from almoner.payments.gateway import Observation, Seen
from almoner.payments.gateways.sandbox import sign
from almoner.payments.judge import MissRules, judge
from almoner.payments.outcome import Outcome
from almoner.payments.record import current
from almoner.payments.reviews.answer import approve
from almoner.payments.reviews.proposal import ReviewRefused
from almoner.payments.reviews.propose import propose
from support.donor import gift
from support.installation import Installation, NewDatabase
from support.tamper import tamper

NONCES = (
    "fake-valid-nonce",
    "fake-processor-declined-visa-nonce",
    "fake-lost-answer-nonce",
    "fake-unreachable-nonce",
)
PAID = {"SUBMITTED", "SETTLED", "DISPUTED"}
OVER = {"DECLINED", "NOT_SENT", "NOT_CHARGED", "VOIDED", "EXPIRED", "ABANDONED",
        "SETTLEMENT_FAILED"}  # fmt: skip
LOOKS_LATER = "next_check_at = now() - interval '1 second', version = version + 1"


class Histories(RuleBasedStateMachine):
    """One gift, its donor, its workers, and the outside world."""

    almoner: ClassVar[Installation]
    run: ClassVar[Callable[..., Any]]
    steps: ClassVar[dict[str, int]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.key, self.email = str(uuid4()), f"{uuid4().hex[:12]}@example.com"
        self.told: dict[str, Any] | None = None
        self.final: tuple[int, bytes] | None = None
        self.kept: list[tuple[AttemptRow, Outcome]] = []
        self.version = 0
        self.attempt_id: UUID | None = None

    @initialize(nonce=st.sampled_from(NONCES))
    def gives(self, nonce: str) -> None:
        """The donor gives; whatever comes is remembered."""
        self.nonce = nonce
        self.asks_again()
        row = self.one("SELECT attempt_id FROM payment_attempt WHERE payable_id = %s", self.gift_id)
        self.attempt_id = row["attempt_id"]

    @rule()
    def asks_again(self) -> None:
        """The same request once more: the same gift, and a final answer never changes."""
        answer = self.run(
            self.almoner.client.post(
                "/donations",
                json=gift(email=self.email, payment_method_nonce=self.nonce),
                headers={"Idempotency-Key": self.key},
            )
        )
        assert answer.status_code in {201, 202, 402, 409}, (answer.status_code, answer.text)
        if answer.status_code == 409:
            return
        self.told = answer.json()
        if answer.status_code != 202:
            told = (answer.status_code, answer.content)
            assert self.final in (None, told)
            self.final = told

    @rule(age_s=st.sampled_from([0, 130, 1_000]), sweeps=st.integers(1, 3))
    def is_looked_up(self, age_s: int, sweeps: int) -> None:
        """Time passes, and one or several resolvers look at once."""
        self.change(
            f"dispatched_at = dispatched_at - make_interval(secs => {age_s}), {LOOKS_LATER}",
            "state IN ('DISPATCHED', 'UNKNOWN')",
        )
        self.run(self.together(self.almoner.work.resolver.sweep, sweeps))

    @rule()
    def is_looked_at_again(self) -> None:
        """The second look of what has ended, or a webhook's doing."""
        self.change(LOOKS_LATER, "state NOT IN ('PREPARED', 'DISPATCHED', 'UNKNOWN')")
        self.run(self.almoner.work.resolver.sweep())

    @rule(sweeps=st.integers(1, 2))
    def late_money_is_decided(self, sweeps: int) -> None:
        """Several workers decide, and give back."""
        self.change(LOOKS_LATER, "state = 'LATE_SUCCESS'")
        self.run(self.together(self.almoner.work.late_money.sweep, sweeps))
        self.run(self.together(self.almoner.work.giving_back.sweep, sweeps))

    @rule(kind=st.sampled_from(["charge.captured", "charge.settled", "dispute.opened", "x"]))
    def a_webhook_comes(self, kind: str) -> None:
        """In any order, true or not."""
        body = msgspec.json.encode(
            {"id": uuid4().hex, "kind": kind, "order_ids": [self.order], "happened_at": ""}
        )
        secret = self.almoner.work.gateway._webhook_secret
        self.run(
            self.almoner.client.post(
                "/webhooks/sandbox", content=body, headers={sign.HEADER: sign.sign(secret, body, 1)}
            )
        )
        self.run(self.almoner.work.webhooks.sweep())

    @rule(
        state=st.sampled_from(["submitted", "settled", "settlement_failed", "voided", "disputed"])
    )
    def the_world_turns(self, state: str) -> None:
        """At the gateway something happens to the charge, if there is one."""
        self.at_gateway(f"captured = true, state = '{state}'")

    @rule(hidden=st.booleans())
    def the_index_lags(self, *, hidden: bool) -> None:
        """Look-ups miss the charge, or find it again."""
        until = "now() + interval '1 day'" if hidden else "NULL"
        self.at_gateway(f"visible_at = {until}")

    @rule(seen=st.sampled_from([Seen.SUBMITTED, Seen.DECLINED, Seen.UNKNOWN]))
    def somebody_starts_to_look(self, seen: Seen) -> None:
        """A worker reads the attempt and its answer, and is then stopped for a while."""
        attempt = self.attempt
        observation = Observation(seen, "sb-stale", "card_declined")
        outcome = judge(attempt, observation, MissRules(), 0).outcomes[0]
        self.kept.append((attempt, outcome))

    @precondition(lambda self: self.kept)
    @rule()
    def who_was_stopped_goes_on(self) -> None:
        """With what they saw then. If anything has happened since, it changes nothing."""
        attempt, outcome = self.kept.pop(0)
        before = self.attempt
        if (before.version, before.lease_epoch) == (attempt.version, attempt.lease_epoch):
            return  # nothing has happened: its evidence would be as good as any
        self.run(self.almoner.work.settling.settle(attempt, outcome))
        assert self.attempt == before

    @rule()
    def a_week_passes(self) -> None:
        """Nobody finds out; it goes to people."""
        self.change(
            "dispatched_at = dispatched_at - interval '8 days', " + LOOKS_LATER, "state = 'UNKNOWN'"
        )
        self.run(self.almoner.work.resolver.sweep())

    @rule(changed=st.booleans())
    def people_decide(self, *, changed: bool) -> None:
        """What the gateway's console shows them, unless the attempt changes between the two."""
        if self.attempt.state is not AttemptState.NEEDS_REVIEW:
            return
        held = self.held()
        database, attempt_id = self.almoner.database, self.attempt.attempt_id
        transaction = self.transaction() if held else None
        decision: Any = "charged" if held else "not_charged"
        self.run(propose(database, attempt_id, decision, transaction, by="Ann", because="seen"))
        if changed:
            self.change("version = version + 1", "true")
        work = self.almoner.work
        try:
            self.run(approve(database, work.looking, work.settling.follow, attempt_id, by="Bert"))
        except ReviewRefused:
            assert changed
        else:
            assert not changed

    @invariant()
    def the_books_are_right(self) -> None:
        """The ledger sums to zero; income and suspense are what the state says."""
        if self.attempt_id is None:
            return
        sums = {
            row["account"].partition(":")[0]: row["sum"]
            for row in self.rows(
                "SELECT account, sum(amount_minor)::int AS sum FROM ledger_entry "
                "WHERE source_id = %s GROUP BY account",
                self.attempt_id,
            )
        }
        state = self.attempt.state
        assert sum(sums.values()) == 0
        assert sums.get("charity_income", 0) == (-5000 if state in PAID else 0), (state, sums)
        assert sums.get("suspense", 0) == (-5000 if state == "LATE_SUCCESS" else 0), (state, sums)

    @invariant()
    def what_was_told_is_true(self) -> None:
        """A final "not charged" has no live attempt; "paid" had its transaction."""
        if self.attempt_id is None:
            return
        attempt = self.attempt
        if self.final and self.final[0] == 402:
            assert attempt.state in OVER | {"LATE_SUCCESS"}
        if self.final and self.final[0] == 201:
            assert attempt.captured_ms is not None
            told = msgspec.json.decode(self.final[1])["transaction_id"]
            assert told == attempt.gateway_transaction_id

    @invariant()
    def nothing_goes_back(self) -> None:
        """Versions count up, and only one attempt was ever needed."""
        if self.attempt_id is None:
            return
        version = self.attempt.version
        assert version >= self.version
        self.version = version

    def teardown(self) -> None:
        """The world calms down; then books, gateway and donor agree."""
        if self.attempt_id is None:
            return
        self.at_gateway("visible_at = NULL")
        for _ in range(3):
            self.is_looked_up(1_000, 1)
        self.run(self.almoner.late_now())
        self.change("next_check_at = now() - interval '1 second'", "true")
        tamper(self.url, "UPDATE money_return SET next_try_at = now()")
        self.run(self.almoner.decide_late())
        state = self.attempt.state
        self.steps[state] = self.steps.get(state, 0) + 1
        if state != "NEEDS_REVIEW" and not (state == "SETTLED" or self.disputed()):
            assert self.held() == (state in PAID), (state, self.held())

    # What the steps use.

    @property
    def url(self) -> str:
        """The main database."""
        return self.almoner.settings.servers.database_url

    @property
    def gift_id(self) -> UUID:
        """The donation."""
        assert self.told is not None
        return UUID(self.told["donation_id"])

    @property
    def order(self) -> str:
        """The order at the gateway."""
        assert self.attempt_id is not None
        return self.attempt_id.hex

    @property
    def attempt(self) -> AttemptRow:
        """The attempt, as it stands."""
        assert self.attempt_id is not None
        found: dict[UUID, AttemptRow] = self.run(self._attempt(self.attempt_id))
        return found[self.attempt_id]

    async def _attempt(self, attempt_id: UUID) -> dict[UUID, AttemptRow]:
        async with self.almoner.database.connection() as connection:
            return await current(connection, [attempt_id])

    async def together(self, step: Callable[[], Any], times: int) -> None:
        """The same step by several workers at once."""
        await asyncio.gather(*(step() for _ in range(times)))

    def one(self, sql: str, *parameters: Any) -> dict[str, Any]:
        """One row."""
        rows = self.rows(sql, *parameters)
        return rows[0]

    def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        found: list[dict[str, Any]] = self.run(self.almoner.database.fetch_all(sql, parameters))
        return found

    def change(self, what: str, where: str) -> None:
        """Change the attempt behind the program's back, as time or another process would."""
        tamper(
            self.url,
            f"UPDATE payment_attempt SET {what} WHERE attempt_id = '{self.attempt_id}' "
            f"AND ({where})",
        )

    def at_gateway(self, what: str) -> None:
        """Change the sandbox's own record of the charge."""
        tamper(
            self.almoner.settings.sandbox_url,
            f"UPDATE sandbox_charge SET {what} WHERE order_id = '{self.order}'",
        )

    def held(self) -> bool:
        """Whether the gateway holds the money."""
        return self._at_gateway() in {"submitted", "settled", "disputed"}

    def disputed(self) -> bool:
        """Whether the bank of the card objects, which takes the matter out of our hands."""
        return self._at_gateway() == "disputed"

    def _at_gateway(self) -> str:
        entry = self.run(self.almoner.work.gateway.look_up(self.order))
        names = {Seen.SUBMITTED: "submitted", Seen.SETTLED: "settled", Seen.DISPUTED: "disputed"}
        return names.get(entry.seen, "none") if entry else "none"

    def transaction(self) -> str:
        """The gateway's transaction."""
        entry = self.run(self.almoner.work.gateway.look_up(self.order))
        return str(entry.gateway_transaction_id)


def test_no_history_breaks_what_must_hold(new_database: NewDatabase, redis_url: str) -> None:
    """Thirty histories of up to fourteen steps; at the end every integrity check there is."""
    with asyncio.Runner() as runner:
        almoner = Installation(
            database_url=new_database(),
            sandbox_database_url=new_database(empty=True),
            redis_url=redis_url,
            limits="sandbox",
        )

        async def opened() -> None:
            await almoner.__aenter__()

        runner.run(opened())
        machine = type(
            "Machine", (Histories,), {"almoner": almoner, "run": staticmethod(runner.run)}
        )
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=30,
                    stateful_step_count=14,
                    deadline=None,
                    derandomize=True,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            assert len(Histories.steps) >= 4, Histories.steps
            assert runner.run(almoner.broken()) == []
        finally:

            async def closed() -> None:
                await almoner.__aexit__(None, None, None)

            runner.run(closed())
