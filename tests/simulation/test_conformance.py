"""The simulated database does what PostgreSQL does, statement by statement and rule by rule."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from itertools import islice, zip_longest
from random import Random
from typing import Any, Final

import pytest
from msgspec import structs

from almoner.payments.attempt import AttemptState
from simulation.programs import MINUTE_MS, STATEMENTS, Maker, program, uid
from simulation.sides import Failed, PostgresSide, Scenario, Session, Side, StoreSide
from simulation.twins import NOT_SIMULATED, TWINS, statements, twin_of

NewDatabase = Callable[..., str]


def differences(simulated: Any, real: Any, where: str = "") -> Iterator[str]:
    """Where two comparable values differ."""
    if isinstance(simulated, dict) and isinstance(real, dict):
        for name in sorted({*simulated, *real}):
            yield from differences(simulated.get(name), real.get(name), f"{where}.{name}")
    elif isinstance(simulated, list) and isinstance(real, list):
        for number, (one, other) in enumerate(zip_longest(simulated, real)):
            yield from islice(differences(one, other, f"{where}[{number}]"), 3)
    elif simulated != real:
        yield f"{where}: store {simulated!r}, PostgreSQL {real!r}"


async def both(new_database: NewDatabase, scenario: Scenario) -> Any:
    """Run on both sides, compare, and give back what the store said."""
    real, real_tables = await PostgresSide(new_database()).run(scenario)
    simulated, simulated_tables = StoreSide().run(scenario)
    found = [*differences(simulated, real), *differences(simulated_tables, real_tables)]
    assert found[:5] == []
    return simulated


def test_every_statement_has_a_twin() -> None:
    """Or a reason why the simulation never reaches it."""
    missing = [
        f"{feature}.{name}"
        for feature in TWINS
        for name in statements(feature)
        if twin_of(feature, name) is None
        and not {feature, f"{feature}.{name}"} & set(NOT_SIMULATED)
    ]

    assert missing == []


def test_every_twin_is_compared() -> None:
    """With a statement of that name, in the random programs."""
    twins = {
        f"{feature}.{name}"
        for feature in TWINS
        for name in statements(feature)
        if twin_of(feature, name) is not None
    }

    assert set(STATEMENTS) == twins


def test_twins_take_what_their_statements_take() -> None:
    """The same parameters behind the first one."""
    for statement in STATEMENTS:
        feature, _, name = statement.rpartition(".")
        twin = twin_of(feature, name)
        assert twin is not None
        real = list(inspect.signature(statements(feature)[name]).parameters)
        assert list(inspect.signature(twin).parameters)[1:] == real[1:], statement


@pytest.mark.parametrize("seed", range(10))
async def test_random_programs_end_alike(new_database: NewDatabase, seed: int) -> None:
    """Answers, errors and tables are the same after some hundred statements."""
    results = await both(new_database, program(seed))

    assert len(results) > 80


async def test_random_programs_reach_every_statement_and_rule(
    new_database: NewDatabase,
) -> None:
    """The comparison above is of statements that do something, and of those that are refused."""
    errors, changed = set(), set()
    for seed in range(200):
        for name, result in StoreSide().run(program(seed))[0][24:]:
            if isinstance(result, str) and result[0].isupper():
                errors.add(result)
            elif result:
                changed.add(name)

    assert errors >= {
        "UniqueViolation",
        "ForeignKeyViolation",
        "CheckViolation",
        "RestrictViolation",
    }
    returning = {name for name in STATEMENTS if not _answers_nothing(name)}
    assert returning - SELDOM <= changed


async def test_an_attempt_goes_all_the_way(new_database: NewDatabase) -> None:
    """From its stamp through doubt and a final no to late money, with every lease on the way."""

    async def scenario(side: Side) -> list[Any]:
        session = await side.session()
        pair = Pair(side, session, session)
        intent = await pair.given()
        results: list[Any] = []
        version, epoch = 1, 1
        key = (intent.attempt.attempt_id, intent.attempt.donor_id)

        async def move(state: AttemptState, next_minutes: int | None) -> None:
            nonlocal version
            next_ms = None if next_minutes is None else side.base_ms + next_minutes * MINUTE_MS
            outcome = structs.replace(
                pair.maker.outcome(),
                attempt_id=key[0],
                donor_id=key[1],
                version=version,
                lease_epoch=epoch,
                state=state,
                gateway_transaction_id="tx1",
                decline_code="card_declined",
                operation_kind="look_up",
                finished_ms=side.base_ms - 60 * MINUTE_MS,
                next_check_ms=next_ms,
            )
            results.append(await session.call("payments.move_attempts", [outcome]))
            results.append(await session.call("payments.insert_operations", [outcome]))
            version += 1

        async def lease(statement: str) -> None:
            nonlocal version, epoch
            taken = await session.call(statement, uid(4, 7), side.base_ms - MINUTE_MS, 9)
            results.append(taken)
            assert len(taken) == 1
            version, epoch = version + 1, epoch + 1

        await move(AttemptState.UNKNOWN, 30)
        made_due = await session.call("payments.due.make_due", [key], {"gap_ms": MINUTE_MS})
        await lease("payments.due.lease_in_doubt")
        await move(AttemptState.DECLINED, -5)
        await lease("payments.due.lease_look_again")
        await move(AttemptState.LATE_SUCCESS, -5)
        await lease("payments.due.lease_late")
        results.append(await session.call("payments.read_operations", key[0]))
        assert made_due == 1
        return results

    await both(new_database, scenario)


SELDOM: Final = {"payments.due.make_due", "payments.due.lease_late"}
"""Statements for which random programs seldom find anything: see the story above."""


def _answers_nothing(statement: str) -> bool:
    feature, _, name = statement.rpartition(".")
    return str(inspect.signature(statements(feature)[name]).return_annotation) == "None"


# Two transactions at once.


class Pair:
    """Two sessions, the first of which holds something the second wants."""

    def __init__(self, side: Side, first: Session, second: Session) -> None:
        self.side = side
        self.first = first
        self.second = second
        self.maker = Maker(Random(1), side.base_ms)

    async def while_open(
        self, held: list[tuple[str, Any]], wanted: tuple[str, Any], *, commit: bool
    ) -> list[Any]:
        """What the second got, whether it waited for the first, and what the first got."""
        results = []
        async with self.first.transaction():
            for statement, arguments in held:
                results.append(await self.first.call(statement, *arguments))
            task = asyncio.ensure_future(self.second.call(wanted[0], *wanted[1]))
            results.append(await self.side.waits(task))
            if not commit:
                raise Failed
        return [*results, await task]

    async def given(self, donation: int = 0) -> Any:
        """A gift that is written down and stamped; gives its intent."""
        intent = self.maker.intent()
        while intent.donation_id != uid(2, donation) or intent.attempt.number != 1:
            intent = self.maker.intent()
        for statement, arguments in (
            ("donors.insert_new", ([intent.donor],)),
            ("donations.insert_records", ([intent],)),
            ("donations.insert_donations", ([intent],)),
            ("payments.insert_dispatched", ([self.stamped(intent)], -MINUTE_MS)),
        ):
            await self.first.call(statement, *arguments)
        return intent

    def stamped(self, intent: Any) -> Any:
        """An attempt that was sent three hours ago."""
        return structs.replace(intent.attempt, dispatched_ms=self.side.base_ms - 180 * MINUTE_MS)


Play = Callable[[Pair], Any]


def a_key(pair: Pair) -> Any:
    """The same key twice."""
    intent = pair.maker.intent()
    return [("donations.insert_records", ([intent],))], ("donations.insert_records", ([intent],))


def a_donor(pair: Pair) -> Any:
    """The same donor twice."""
    donor = pair.maker.donor(uid(1, 0))
    return [("donors.insert_new", ([donor],))], ("donors.insert_new", ([donor],))


def a_look(pair: Pair) -> Any:
    """The same look twice."""
    return [("donations.lock_looks", ([7, 8],))], ("donations.lock_looks", ([8],))


def other_looks(pair: Pair) -> Any:
    """Different looks."""
    return [("donations.lock_looks", ([7],))], ("donations.lock_looks", ([8],))


def an_event(pair: Pair) -> Any:
    """The same event twice."""
    event = pair.maker.event()
    return [("events.insert", ([event],))], ("events.insert", ([event],))


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("what", [a_key, a_donor, a_look, other_looks, an_event])
async def test_who_wants_what_another_holds_waits(
    new_database: NewDatabase, what: Play, commit: bool
) -> None:
    """And looks again once the other is over, whichever way that ended."""

    async def scenario(side: Side) -> Any:
        pair = Pair(side, await side.session(), await side.session())
        held, wanted = what(pair)
        return await pair.while_open(held, wanted, commit=commit)

    results = await both(new_database, scenario)

    assert results[-2] is (what is not other_looks)


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize(
    "wanted",
    [
        "payments.move_attempts",
        "payments.withdraw_unsent",
        "payments.due.lease_in_doubt",
        "second attempt",
    ],
)
async def test_a_lease_keeps_others_out(
    new_database: NewDatabase, wanted: str, commit: bool
) -> None:
    """While one transaction leases an attempt, moves wait, other leases skip it."""

    async def scenario(side: Side) -> Any:
        pair = Pair(side, await side.session(), await side.session())
        intent = await pair.given()
        attempt = intent.attempt
        outcome = pair.maker.outcome()
        while (outcome.attempt_id, outcome.version, outcome.lease_epoch, outcome.state) != (
            attempt.attempt_id,
            1,
            1,
            "UNKNOWN",
        ):
            outcome = pair.maker.outcome()
        lease = ("payments.due.lease_in_doubt", (uid(4, 9), side.base_ms + MINUTE_MS, 5))
        again = pair.maker.attempt(intent.donation_id)
        while again.number != 2:
            again = pair.maker.attempt(intent.donation_id)
        asked = {
            "payments.move_attempts": (wanted, ([outcome],)),
            "payments.withdraw_unsent": (
                wanted,
                ([attempt], [uid(6, 1)], side.base_ms),
            ),
            "payments.due.lease_in_doubt": (wanted, (uid(4, 8), side.base_ms + MINUTE_MS, 5)),
            "second attempt": ("payments.insert_dispatched", ([again], 70_000)),
        }[wanted]
        return await pair.while_open([lease], asked, commit=commit)

    results = await both(new_database, scenario)

    assert len(results[0]) == 1
    assert results[1] is (wanted != "payments.due.lease_in_doubt")


async def test_who_waits_in_a_circle_is_told(new_database: NewDatabase) -> None:
    """One of two transactions that wait for each other gets DeadlockDetected, the other goes on."""

    async def scenario(side: Side) -> Any:
        first, second = await side.session(), await side.session()

        async def lock(session: Session, one: int, other: int, ready: asyncio.Event) -> Any:
            async with session.transaction():
                await session.call("donations.lock_looks", [one])
                ready.set()
                await asyncio.gather(*(event.wait() for event in events))
                result = await session.call("donations.lock_looks", [other])
                if result:
                    raise Failed
            return result

        events = [asyncio.Event(), asyncio.Event()]
        results = await asyncio.gather(lock(first, 1, 2, events[0]), lock(second, 2, 1, events[1]))
        return sorted(results, key=str)

    results = await both(new_database, scenario)

    assert results == ["DeadlockDetected", None]
