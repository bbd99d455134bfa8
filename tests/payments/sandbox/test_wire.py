"""How the sandbox's adapter reads what comes back: by tables, and never more than was said."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.payments.gateway import Observation, Seen
from almoner.payments.gateways.sandbox.truth import SEEN_OF, ChargeState
from almoner.payments.gateways.sandbox.wire import (
    SEEN_OF_STATE,
    Reply,
    read_look_up,
    read_reversal,
    read_sale,
)


def reply(status: int, **body: object) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, msgspec.json.encode(body))


def test_every_state_of_the_record_can_be_read() -> None:
    """Both sides decide by a closed table, and agree."""
    assert {state: SEEN_OF_STATE[state] for state in ChargeState} == SEEN_OF


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        (reply(200, transaction_id="t", state="submitted", code="1000"), Seen.SUBMITTED),
        (
            reply(200, transaction_id="t", state="declined", code="2000", decline_code="x"),
            Seen.DECLINED,
        ),
        (reply(200, transaction_id="t", state="declined", code="2000"), Seen.UNKNOWN),
        (reply(200, transaction_id="", state="submitted", code="1000"), Seen.UNKNOWN),
        (reply(200, transaction_id="t", state="new", code="1000"), Seen.UNKNOWN),
        (reply(200), Seen.UNKNOWN),
        (Reply(200, b""), Seen.UNKNOWN),
        (Reply(200, b"<html>"), Seen.UNKNOWN),
        (Reply(200, b"\xff"), Seen.UNKNOWN),
        (reply(422, error="duplicate"), Seen.DUPLICATE),
        (reply(409, error="in_flight"), Seen.WAIT),
        (Reply(409, b""), Seen.WAIT),
        (Reply(429, b""), Seen.WAIT),
        (reply(422, error="key_used"), Seen.UNKNOWN),
        (reply(422, error="something"), Seen.DECLINED),
        (Reply(401, b""), Seen.DECLINED),
        (Reply(404, b"<html>"), Seen.DECLINED),
        (Reply(408, b""), Seen.UNKNOWN),
        (Reply(500, b""), Seen.UNKNOWN),
        (Reply(302, b""), Seen.UNKNOWN),
    ],
)
def test_each_answer_to_a_sale_has_one_meaning(said: Reply, seen: Seen) -> None:
    """A success that cannot be read to the end is a doubt."""
    assert read_sale(said).seen is seen


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        (reply(200, transaction_id="t", state="settled", code="1000"), Seen.SETTLED),
        (reply(404, error="not_found"), None),
        (reply(404, error="no such page"), Seen.UNKNOWN),
        (Reply(404, b"<html>"), Seen.UNKNOWN),
        (Reply(200, b""), Seen.UNKNOWN),
        (Reply(401, b""), Seen.UNKNOWN),
        (Reply(503, b""), Seen.UNKNOWN),
        (reply(200, error="not_found"), Seen.UNKNOWN),
    ],
)
def test_only_the_gateways_own_not_found_is_a_miss(said: Reply, seen: Seen | None) -> None:
    """The 404 of somebody on the way must not count towards "not charged"."""
    found = read_look_up(said)

    assert (found.seen if found else None) is seen


@pytest.mark.parametrize(
    ("said", "done"),
    [
        (reply(200, kind="void", code="voided"), True),
        (reply(200, kind="theft", code="voided"), False),
        (Reply(200, b""), False),
        (reply(422, error="is_disputed"), False),
        (reply(404, error="not_found"), False),
        (Reply(500, b""), False),
    ],
)
def test_only_done_is_proof_that_money_went_back(said: Reply, done: bool) -> None:
    """Everything else is asked again."""
    assert read_reversal(said).done is done


@given(st.integers(100, 599), st.binary())
def test_no_bytes_prove_a_charge_or_break_the_reader(status: int, body: bytes) -> None:
    """Noise is never SUBMITTED, never a miss, never "done"."""
    said = Reply(status, body)

    assert read_sale(said).seen is not Seen.SUBMITTED
    assert isinstance(read_look_up(said), Observation)
    assert read_reversal(said).done is False
