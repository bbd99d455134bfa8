"""What is told of each move of an attempt."""

from __future__ import annotations

import re
from itertools import product

import pytest

from almoner.donations.telling import INCOME_KINDS, KINDS, Told, kinds_of
from almoner.payments.attempt import AttemptState as State
from support.donor import Donor
from support.installation import Installation
from tidy.project import ROOT, SOURCE

DOCUMENT = ROOT / "docs" / "reference" / "events.md"


def test_every_kind_of_the_code_is_documented() -> None:
    """docs/reference/events.md lists each kind that is written anywhere, and no other."""
    in_code = {
        kind
        for path in SOURCE.rglob("*.py")
        for kind in re.findall(r'"(donation\.[a-z_]+)"', path.read_text(encoding="utf-8"))
    }
    listed = re.findall(r"^\| `(donation\.[a-z_]+)`", DOCUMENT.read_text("utf-8"), re.MULTILINE)

    assert in_code == set(KINDS)
    assert sorted(listed) == sorted(KINDS)


@pytest.mark.parametrize(("was", "now"), list(product(State, State)))
def test_every_move_tells_something(was: State, now: State) -> None:
    """But for late money that is adopted, each move has a word; paid only where money comes."""
    told = kinds_of(was, now)

    captured = {State.SUBMITTED, State.SETTLED, State.DISPUTED}
    assert (Told.PAID in told) == (now in captured and was not in captured)
    if was is now:
        assert told == []
    elif not (was in captured and now is State.SUBMITTED):
        assert told


async def test_each_consumer_hears_of_a_gift_once(almoner: Installation, donor: Donor) -> None:
    """Paid, declined and in doubt: the log hears of all, the totals count what came in."""
    await donor.gives(amount="50.00")
    await donor.gives(amount="7.00", charity_id=102)
    await donor.gives(amount="2001.00")
    await donor.gives(payment_method_nonce="fake-lost-answer-nonce")

    await almoner.work.telling.tell_all()
    await almoner.resolve_now()
    await almoner.work.telling.tell_all()

    totals = await almoner.database.fetch_all(
        "SELECT charity_id, currency, raised_minor, gifts FROM charity_total ORDER BY charity_id"
    )
    assert [tuple(row.values()) for row in totals] == [
        (101, "USD", 10000, 2),
        (102, "USD", 700, 1),
    ]
    told = "SELECT count(*) FROM inbox WHERE consumer = %s"
    assert await almoner.value(told, "charity_totals") == 3
    assert await almoner.value(told, "log") == 5
    assert frozenset({"donation.paid"}) < INCOME_KINDS
