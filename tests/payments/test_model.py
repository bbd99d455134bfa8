"""Every state of an attempt with everything that can happen to it, against a table of its own.

The table below was written from the design, not from the code: a letter for each result. What the
code does is asked of the real code; moves that touch the database run on a real one.
"""

from __future__ import annotations

import importlib
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from almoner.money import Money
from almoner.payments.attempt import Attempt, AttemptRow, AttemptState
from almoner.payments.gateway import Observation, Seen
from almoner.payments.judge import MissRules, judge
from almoner.payments.moves import MOVES, SURPRISE, path_of
from almoner.payments.outcome import Outcome
from almoner.payments.record import record
from almoner.payments.withdraw import withdraw
from almoner.platform.clock import now_ms
from support.donor import Donor
from support.installation import Installation
from support.tamper import tamper

S = AttemptState
MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000

LOOKS: Final = (
    "SUBMITTED", "SETTLED", "DISPUTED", "FAILED", "VOIDED", "DECLINED", "HELD",
    "no answer", "no answer after 8 days", "not asked",
    "early miss", "first late miss", "second late miss", "miss after 8 days",
)  # fmt: skip
"""What a look-up can see. HELD is AUTHORIZED, FAILED is SETTLEMENT_FAILED."""

EXPECTED: Final[dict[str, str]] = {
    "PREPARED":          "!!!!!!!.......",
    "DISPATCHED":        "SSDFVNAUU.UUUU",
    "UNKNOWN":           "SSDFVNA.R...CR",
    "NEEDS_REVIEW":      "SSDFVNA.......",
    "REQUIRES_ACTION":   "SSDVVNA.......",
    "AUTHORIZED":        "SSDVVV........",
    "SUBMITTED":         "..DFV!!.....!!",
    "SETTLED":           "..D!!!!.....!!",
    "DISPUTED":          ".T.!!!!.....!!",
    "LATE_SUCCESS":      "...VV!!.....!!",
    "DECLINED":          "LLL...!.......",
    "NOT_SENT":          "LLL...!.......",
    "NOT_CHARGED":       "LLL...!.......",
    "VOIDED":            "LLL...!.......",
    "EXPIRED":           "LLL...!.......",
    "ABANDONED":         "LLL...!.......",
    "SETTLEMENT_FAILED": "LLL...!.......",
}  # fmt: skip
"""A letter for each thing to see, in order: `.` nothing changes, `!` nothing changes and somebody
is paged, else what it becomes."""

BECOMES: Final = {
    "S": S.SUBMITTED, "T": S.SETTLED, "D": S.DISPUTED, "F": S.SETTLEMENT_FAILED, "V": S.VOIDED,
    "N": S.DECLINED, "A": S.AUTHORIZED, "U": S.UNKNOWN, "R": S.NEEDS_REVIEW, "C": S.NOT_CHARGED,
    "L": S.LATE_SUCCESS,
}  # fmt: skip

SEEN: Final = {
    "SUBMITTED": Seen.SUBMITTED, "SETTLED": Seen.SETTLED, "DISPUTED": Seen.DISPUTED,
    "FAILED": Seen.SETTLEMENT_FAILED, "VOIDED": Seen.VOIDED, "DECLINED": Seen.DECLINED,
    "HELD": Seen.AUTHORIZED,
}  # fmt: skip


def attempt_in(state: AttemptState, *, age_ms: int, misses: int = 0) -> AttemptRow:
    """An attempt in a state, dispatched so long ago."""
    at_ms = now_ms() - age_ms
    return AttemptRow(
        uuid4(), uuid4(), uuid4(), 1, "sandbox", state, Money(5000, "USD"), 3, uuid4(), 2, at_ms,
        at_ms, "sb1", "card_declined", 1, misses, None,
    )  # fmt: skip


def look(state: AttemptState, event: str) -> tuple[AttemptRow, Any]:
    """What the real code makes of a look-up of an attempt in a state."""
    old = 8 * DAY_MS
    ages = {
        "no answer after 8 days": old, "miss after 8 days": old, "first late miss": 3 * MINUTE_MS,
        "second late miss": 16 * MINUTE_MS, "early miss": MINUTE_MS,
    }  # fmt: skip
    attempt = attempt_in(
        state,
        age_ms=ages.get(event, 10 * MINUTE_MS),
        misses=1 if event == "second late miss" else 0,
    )
    observation: Observation | None = None
    if event in SEEN:
        observation = Observation(SEEN[event], "sb1", "card_declined")
    elif event.startswith("no answer"):
        observation = Observation(Seen.UNKNOWN, gateway_code="reset")
    elif event == "not asked":
        observation = Observation(Seen.UNKNOWN, gateway_code="breaker_open")
    return attempt, judge(attempt, observation, MissRules(), now_ms())


@pytest.mark.parametrize("state", AttemptState)
def test_every_state_with_everything_a_look_up_can_see(state: AttemptState) -> None:
    """Seventeen states, fourteen things to see: all decided, all as the table says."""
    letters = EXPECTED[state]
    assert len(letters) == len(LOOKS)

    for event, letter in zip(LOOKS, letters, strict=True):
        _, judgement = look(state, event)
        became = judgement.outcomes[-1].state
        assert became == BECOMES.get(letter, state), (state, event, became)
        assert (judgement.surprise is not None) == (letter == "!"), (state, event)


@pytest.mark.parametrize("state", AttemptState)
def test_every_path_goes_by_allowed_moves_one_version_at_a_time(state: AttemptState) -> None:
    """Step by step along the table of transitions, with the version that each step will find."""
    first = importlib.import_module("almoner.migrations.versions.0004_before_payments")
    second = importlib.import_module("almoner.migrations.versions.0007_before_review")
    allowed = {
        (a, b)
        for moves in (first.TRANSITIONS, second.ADDED)
        for a, bs in moves.items()
        for b in bs.split()
    }
    for event in LOOKS:
        attempt, judgement = look(state, event)
        was = state
        for number, outcome in enumerate(judgement.outcomes):
            assert outcome.version == attempt.version + number
            assert outcome.lease_epoch == attempt.lease_epoch
            assert outcome.state is was or (was, outcome.state) in allowed
            was = outcome.state


def test_a_new_state_or_a_new_thing_to_see_must_be_decided() -> None:
    """The closed table of the code knows them all; what proves nothing moves nothing."""
    nothing = {Seen.UNKNOWN, Seen.WAIT, Seen.DUPLICATE, Seen.NOT_SENT}

    assert set(MOVES) == set(EXPECTED) == set(AttemptState)
    assert {frozenset(seen) for seen in MOVES.values()} == {frozenset(set(Seen) - nothing)}
    assert all(path_of(state, seen) == () for state in AttemptState for seen in nothing)


def test_no_path_tells_paid_before_it_tells_not_paid() -> None:
    """A donor is never told "paid" on the way to "no money"."""
    paid = {S.SUBMITTED, S.SETTLED}
    for state, seen in MOVES.items():
        for path in seen.values():
            if path is SURPRISE or not path or state in paid:
                continue
            if path[-1] not in {*paid, S.DISPUTED}:
                assert not paid & set(path), (state, path)


@pytest.mark.parametrize("seen", [Seen.SUBMITTED, Seen.SETTLED, Seen.DISPUTED, Seen.AUTHORIZED])
def test_money_without_a_transaction_is_not_believed(seen: Seen) -> None:
    """It could not be booked: it counts as no answer."""
    for state in AttemptState:
        attempt = attempt_in(state, age_ms=MINUTE_MS)
        judgement = judge(attempt, Observation(seen), MissRules(), 0)
        expected = S.UNKNOWN if state is S.DISPATCHED else state
        assert judgement.outcomes[-1].state is expected


@pytest.mark.parametrize(
    ("transaction", "age_ms", "again"),
    [("sb1", MINUTE_MS, True), (None, MINUTE_MS, False), ("sb1", 20 * MINUTE_MS, False)],
)
def test_a_young_charge_that_the_gateway_told_of_and_does_not_find_is_looked_at_again(
    transaction: str | None, age_ms: int, again: bool
) -> None:
    """Its index lags. Else a decline that was captured after all, and whose webhook came at once,
    would rest until the daily match. What no gateway ever knew is not looked for again."""
    attempt = structs.replace(
        attempt_in(S.DECLINED, age_ms=age_ms), gateway_transaction_id=transaction
    )

    judgement = judge(attempt, None, MissRules(), now_ms())

    assert [o.state for o in judgement.outcomes] == [S.DECLINED]
    assert (judgement.outcomes[-1].next_check_ms is not None) is again


@pytest.mark.parametrize("state", [S.SUBMITTED, S.SETTLED, S.DISPUTED, S.LATE_SUCCESS])
def test_another_transaction_than_the_booked_one_moves_nothing_and_pages(
    state: AttemptState,
) -> None:
    """A second capture of one charge: the first one stands, people decide about the other."""
    attempt = attempt_in(state, age_ms=MINUTE_MS)

    judgement = judge(attempt, Observation(Seen.SUBMITTED, "sb2"), MissRules(), 0)

    assert judgement.surprise == "second_transaction"
    assert [o.state for o in judgement.outcomes] == [state]


@pytest.mark.parametrize("seen", [Seen.VOIDED, Seen.DECLINED, Seen.SETTLEMENT_FAILED])
def test_what_became_of_another_transaction_undoes_nothing(seen: Seen) -> None:
    """A second transaction that was voided is not the one that pays the gift."""
    attempt = attempt_in(S.SUBMITTED, age_ms=MINUTE_MS)

    judgement = judge(attempt, Observation(seen, "sb2"), MissRules(), 0)

    assert judgement.surprise == "another_transaction"
    assert [o.state for o in judgement.outcomes] == [S.SUBMITTED]


# Events that are moves of the database. One copy of a gift for each state and event.

FOUND: Final = {
    "sale SUBMITTED": {S.DISPATCHED: S.SUBMITTED},
    "sale DECLINED": {S.DISPATCHED: S.DECLINED},
    "sale NOT_SENT": {S.DISPATCHED: S.NOT_SENT},
    "sale UNKNOWN": {S.DISPATCHED: S.UNKNOWN},
    "withdraw": {S.DISPATCHED: S.NOT_SENT},
    "abandon": {S.PREPARED: S.ABANDONED},
    "settlement": {S.SUBMITTED: S.SETTLED},
    "settlement by a stale reader": {},
    "look by a stale lease": {},
    "read": {},
    "webhook": {},
}
"""For each event, the states that it changes, and into what. It changes no other."""


class Copy:
    """A gift whose attempt was put into a state behind the program's back."""

    def __init__(self, state: AttemptState, event: str) -> None:
        self.state, self.event = state, event
        self.attempt_id, self.donation_id, self.owner = uuid4(), uuid4(), uuid4()

    def insert(self, donor_id: UUID) -> str:
        """The statements that make it."""
        sent = "NULL" if self.state is S.PREPARED else "now()"
        return f"""
            INSERT INTO donation SELECT '{self.donation_id}', donor_id, charity_id, amount_minor,
                currency, first_name, last_name, email, locale, created_at
                FROM donation WHERE donor_id = '{donor_id}' LIMIT 1;
            INSERT INTO idempotency_record (donation_id, donor_id, fingerprint, request_id,
                created_at) SELECT '{self.donation_id}', donor_id, fingerprint, request_id,
                created_at FROM idempotency_record WHERE donor_id = '{donor_id}' LIMIT 1;
            INSERT INTO payment_attempt (attempt_id, donor_id, payable_id, number, gateway, state,
                amount_minor, currency, version, lease_owner, dispatched_at, observed_at,
                gateway_transaction_id, decline_code, next_check_at)
            VALUES ('{self.attempt_id}', '{donor_id}', '{self.donation_id}', 1, 'sandbox',
                '{self.state}', 5000, 'USD', 1, '{self.owner}', {sent}, now(), 'sb1',
                'card_declined', now() + interval '1 hour')
        """

    def outcome(self, donor_id: UUID, state: AttemptState, *, version: int, epoch: int) -> Outcome:
        """A move of it that somebody wants to make."""
        at_ms = now_ms()
        return Outcome(
            self.attempt_id, donor_id, version, epoch, state, "sb1", "card_declined", uuid4(),
            "sale", "key", None, at_ms, at_ms,
        )  # fmt: skip


async def happen(almoner: Installation, donor_id: UUID, copy: Copy) -> None:
    """Let the event happen to the copy, through the real code."""
    kind, _, target = copy.event.partition(" ")
    if kind == "sale" and copy.state is S.DISPATCHED:
        await moved(almoner, copy.outcome(donor_id, S(target), version=1, epoch=1))
    elif kind == "sale":  # whoever moved it on since the stamp counted the version up
        await moved(almoner, copy.outcome(donor_id, S(target), version=0, epoch=1))
    elif copy.event == "withdraw":
        attempt = Attempt(
            uuid4(), donor_id, copy.donation_id, 1, "sandbox", Money(5000, "USD"), copy.owner, 0
        )
        await withdraw(almoner.database, [attempt])
    elif copy.event == "settlement" and copy.state is S.SUBMITTED:
        await moved(almoner, copy.outcome(donor_id, S.SETTLED, version=1, epoch=1))
    elif copy.event == "settlement by a stale reader":
        await moved(almoner, copy.outcome(donor_id, S.SETTLED, version=2, epoch=1))
    elif copy.event == "look by a stale lease":
        await moved(almoner, copy.outcome(donor_id, S.SUBMITTED, version=1, epoch=0))
    elif copy.event == "read":
        token = almoner.web.read_tokens.sign(copy.donation_id.hex)
        await almoner.client.get(
            f"/donations/{copy.donation_id}", headers={"Authorization": f"Bearer {token}"}
        )


async def moved(almoner: Installation, outcome: Outcome) -> None:
    """Record one move."""
    async with almoner.database.transaction() as connection:
        await record(connection, [outcome])


async def test_every_state_with_everything_that_moves_it_in_the_database(
    almoner: Installation, donor: Donor
) -> None:
    """Each of seventeen states with each event: it becomes what the table says, or nothing."""
    await donor.gives()
    donor_id = await almoner.value("SELECT donor_id FROM donation")
    url = almoner.settings.servers.database_url
    copies = [Copy(state, event) for event in FOUND for state in AttemptState]
    tamper(url, *(copy.insert(donor_id) for copy in copies))

    for copy in copies:
        await happen(almoner, donor_id, copy)
    due = [c.attempt_id for c in copies if c.event == "abandon"]
    tamper(
        url,
        "UPDATE payment_attempt SET next_check_at = now() - interval '1 s' "
        f"WHERE attempt_id IN ({', '.join(repr(str(id_)) for id_ in due)})",
    )
    await almoner.work.abandoning.sweep(limit=1_000)

    rows = await almoner.database.fetch_all("SELECT attempt_id, state FROM payment_attempt")
    states = {row["attempt_id"]: row["state"] for row in rows}
    wrong = [
        (copy.event, copy.state, states[copy.attempt_id])
        for copy in copies
        if states[copy.attempt_id] != FOUND[copy.event].get(copy.state, copy.state)
    ]
    almoner.expected_broken = await almoner.broken()  # copies have no ledger, event or charge
    assert wrong == []
