"""The database lets an attempt move along the transition table, and in no other way."""

from __future__ import annotations

import itertools
from uuid import uuid4

import psycopg
import pytest

from almoner.donations.status import STATUS_OF
from almoner.payments.attempt import CAPTURED, IN_DOUBT, AttemptState
from support.tamper import tamper

INSERT = """
    INSERT INTO payment_attempt (attempt_id, donor_id, payable_id, number, gateway, state,
        amount_minor, currency, version, lease_owner, dispatched_at, gateway_transaction_id,
        decline_code)
    VALUES (%s, %s, %s, 1, 'sandbox', %s, 5000, 'USD', 1, %s, now(), 'sb1', 'card_declined')
"""
MOVE = "UPDATE payment_attempt SET state = %s, version = version + 1 WHERE attempt_id = %s"


def allowed(connection: psycopg.Connection) -> set[tuple[str, str]]:
    """The transition table as the database has it."""
    return set(connection.execute("SELECT from_state, to_state FROM attempt_transition"))


def test_every_pair_of_states_is_allowed_or_refused_by_the_table(database_url: str) -> None:
    """All moves between 17 states are tried; exactly those of the table go through."""
    attempts = {
        pair: uuid4()
        for pair in itertools.product(AttemptState, AttemptState)
        if pair[0] != pair[1]
    }
    for (source, _), attempt_id in attempts.items():
        tamper(
            database_url,
            INSERT,
            parameters=(attempt_id, uuid4(), uuid4(), source, uuid4()),
        )

    moved = set()
    with psycopg.connect(database_url, autocommit=True) as connection:
        for (source, target), attempt_id in attempts.items():
            try:
                connection.execute(MOVE, (target, attempt_id))
            except psycopg.errors.RestrictViolation:
                continue
            moved.add((str(source), str(target)))
        expected = allowed(connection)

    assert moved == expected
    assert 30 < len(expected) < 60


def test_no_state_leads_back_to_unsent(database_url: str) -> None:
    """Nothing that may have been sent can become PREPARED or NOT_SENT again, but from the stamp."""
    with psycopg.connect(database_url) as connection:
        moves = allowed(connection)

    assert not {a for a, b in moves if b == "PREPARED"}
    assert {a for a, b in moves if b == "NOT_SENT"} == {"DISPATCHED"}
    assert {a for a, b in moves if b == "NOT_CHARGED"} == {"UNKNOWN", "NEEDS_REVIEW"}


def test_every_state_has_a_public_status() -> None:
    """A new state must be decided: what a donor reads of it."""
    assert set(STATUS_OF) == set(AttemptState)
    assert all(STATUS_OF[state] == "processing" for state in IN_DOUBT)
    assert all(STATUS_OF[s] in {"success", "disputed", "processing"} for s in CAPTURED)


@pytest.mark.parametrize(
    "change",
    [
        "version = version",
        "version = version + 2",
        "version = version + 1, lease_epoch = lease_epoch - 1",
        "version = version + 1, amount_minor = 1",
        "version = version + 1, currency = 'EUR'",
        "version = version + 1, gateway = 'other'",
        "version = version + 1, payable_id = gen_random_uuid()",
    ],
)
def test_what_is_charged_never_changes_and_versions_count_up(
    database_url: str, change: str
) -> None:
    """A stale or mistaken update is refused by the database itself."""
    attempt_id = uuid4()
    values = (attempt_id, uuid4(), uuid4(), "DISPATCHED", uuid4())
    tamper(database_url, INSERT, parameters=values)

    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(
            f"UPDATE payment_attempt SET {change} WHERE attempt_id = %s".encode(), (attempt_id,)
        )

    assert isinstance(refused.value, psycopg.errors.RestrictViolation)


@pytest.mark.parametrize("state", [s for s in AttemptState if s not in {"PREPARED", "DISPATCHED"}])
def test_an_attempt_begins_unsent_or_stamped(database_url: str, state: AttemptState) -> None:
    """No attempt is born with an outcome."""
    values = (uuid4(), uuid4(), uuid4(), state, uuid4())

    with (
        psycopg.connect(database_url) as connection,
        pytest.raises(psycopg.errors.RestrictViolation),
    ):
        connection.execute(INSERT, values)


def test_a_second_live_attempt_cannot_even_be_written(database_url: str) -> None:
    """The partial unique index holds while the first is in doubt, and lets go once it is not."""
    payable, donor = uuid4(), uuid4()
    tamper(database_url, INSERT, parameters=(uuid4(), donor, payable, "UNKNOWN", uuid4()))

    with pytest.raises(psycopg.errors.UniqueViolation):
        tamper(database_url, INSERT, parameters=(uuid4(), donor, payable, "DISPATCHED", uuid4()))

    tamper(database_url, "UPDATE payment_attempt SET state = 'NOT_CHARGED'")
    tamper(database_url, INSERT, parameters=(uuid4(), donor, payable, "DISPATCHED", uuid4()))
