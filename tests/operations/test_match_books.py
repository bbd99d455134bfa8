"""Each kind of difference is made to happen, and the match names that kind and no other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from almoner.operations.match.charges import compare_charges
from almoner.operations.match.difference import (
    OF_CHARGES,
    OF_LINES,
    OF_PAYOUTS,
    TREATMENTS,
    Kind,
)
from almoner.operations.match_books import MatchResult
from almoner.payments.gateway import Observation, RecordedCharge
from almoner.platform.errors import Unavailable
from support.donor import Donor
from support.installation import Installation
from support.tamper import tamper
from tidy.project import ROOT

STRANGER = """
    INSERT INTO sandbox_charge (order_id, amount_minor, currency, captured, gateway_code)
    VALUES ('ffffffffffffffffffffffffffffffff', 100, 'USD', true, '1000')
"""
OLD = "UPDATE payment_attempt SET dispatched_at = dispatched_at - interval '11 days'"
SECOND_ATTEMPT = """
    INSERT INTO payment_attempt (attempt_id, donor_id, payable_id, number, gateway, state,
        amount_minor, currency, version, lease_owner, lease_epoch, dispatched_at, observed_at,
        gateway_transaction_id)
    SELECT gen_random_uuid(), donor_id, payable_id, 2, gateway, 'SUBMITTED', amount_minor,
           currency, 2, lease_owner, 1, dispatched_at, observed_at, 'sb00000002'
    FROM payment_attempt
"""
PAYOUT = "UPDATE sandbox_payout SET gross_minor = gross_minor + 1"
GATEWAY, BOOKS = "gateway", "books"

PROVOKED: dict[Kind, list[tuple[str, str]]] = {
    Kind.GATEWAY_ONLY: [(GATEWAY, STRANGER)],
    Kind.AMOUNT_DIFFERS: [
        (GATEWAY, "UPDATE sandbox_charge SET amount_minor = amount_minor + 1")
    ],
    Kind.TRANSACTION_DIFFERS: [
        (BOOKS, "UPDATE payment_attempt SET gateway_transaction_id = 'sb77777777'")
    ],
    Kind.CAPTURED_HERE_ONLY: [(GATEWAY, "DELETE FROM sandbox_charge")],
    Kind.LATE_SUCCESS: [
        (BOOKS, "UPDATE payment_attempt SET state = 'NOT_CHARGED', next_check_at = NULL")
    ],
    Kind.DISPUTE_DIFFERS: [(BOOKS, "UPDATE payment_attempt SET state = 'DISPUTED'")],
    Kind.NOT_PAID_OUT: [(BOOKS, OLD)],
}  # fmt: skip
"""Kinds that one gift and one change make. The others have tests of their own, here or in
`test_settlement.py`."""


def change(almoner: Installation, where: str, statement: str) -> None:
    """Change something behind everybody's back."""
    url = almoner.settings.servers.database_url
    tamper(almoner.settings.sandbox_url if where == GATEWAY else url, statement)


async def matched(almoner: Installation) -> MatchResult:
    """Match now."""
    return await almoner.work.books.match.match()


def kinds(result: MatchResult) -> list[str]:
    """The kinds of the open differences."""
    return [difference.kind for difference in result.differences]


def test_every_kind_is_decided() -> None:
    """How it is treated, and which look can see that it is gone."""
    assert set(TREATMENTS) == set(Kind)
    assert OF_CHARGES | OF_LINES | OF_PAYOUTS | {Kind.PAYOUT_CHANGED} == set(Kind)


async def test_where_all_is_well_nothing_is_found(almoner: Installation, donor: Donor) -> None:
    """Paid, declined, in doubt and paid out: no difference."""
    await donor.gives()
    await almoner.work.books.gateway.record.close_batch()
    await donor.gives(amount="2001.00")
    await donor.gives(amount="70.00")
    await donor.gives(payment_method_nonce="fake-lost-answer-nonce")

    result = await matched(almoner)

    assert kinds(result) == []
    assert (result.matched, result.open_attempts) == (3, 1)
    assert result.captured_minor == {"USD": 12000}
    assert await almoner.value("SELECT count(*) FROM settlement_line "
                               "WHERE settled_at IS NOT NULL") == 1  # fmt: skip


@pytest.mark.parametrize("kind", PROVOKED)
async def test_a_difference_is_named_kept_and_mended(
    almoner: Installation, donor: Donor, kind: Kind
) -> None:
    """It is found, found again under its first time, told once, and gone when it is mended."""
    await donor.gives()
    assert kinds(await matched(almoner)) == []
    for where, statement in PROVOKED[kind]:
        change(almoner, where, statement)
    attempts = "SELECT count(*) FROM payment_attempt WHERE next_check_at <= now()"

    with structlog.testing.capture_logs() as logs:
        first, again = await matched(almoner), await matched(almoner)
    due = await almoner.value(attempts)

    assert (kinds(first), kinds(again)) == ([kind], [kind])
    assert again.differences[0].first_seen_ms == first.differences[0].first_seen_ms
    told = [(e["log_level"], e["difference"]) for e in logs if e["event"] == "match_difference"]
    assert told == [("error" if TREATMENTS[kind].page else "warning", kind)]
    assert due == int(TREATMENTS[kind].look_again)
    almoner.expected_broken = await almoner.broken()


async def test_a_difference_that_is_gone_is_mended_and_may_come_again(
    almoner: Installation, donor: Donor
) -> None:
    """Each time it comes it is told, with the time it came."""
    await donor.gives()
    change(almoner, GATEWAY, STRANGER)
    first = await matched(almoner)
    change(almoner, GATEWAY, "DELETE FROM sandbox_charge WHERE starts_with(order_id, 'fff')")
    gone = await matched(almoner)
    change(almoner, GATEWAY, STRANGER)
    second = await matched(almoner)
    change(almoner, GATEWAY, "DELETE FROM sandbox_charge WHERE starts_with(order_id, 'fff')")
    await matched(almoner)

    assert (kinds(first), kinds(gone)) == ([Kind.GATEWAY_ONLY], [])
    assert kinds(second) == [Kind.GATEWAY_ONLY]
    assert second.differences[0].first_seen_ms > first.differences[0].first_seen_ms


async def test_late_money_of_a_donation_that_is_paid_is_a_second_capture(
    almoner: Installation, donor: Donor
) -> None:
    """Not a lost gift: one of the two goes back, and four eyes decide."""
    await donor.gives()
    change(almoner, BOOKS, "UPDATE payment_attempt SET state = 'NOT_CHARGED'")
    change(almoner, BOOKS, SECOND_ATTEMPT)
    change(
        almoner,
        GATEWAY,
        "INSERT INTO sandbox_charge (order_id, amount_minor, currency, captured, gateway_code) "
        "SELECT 'x', amount_minor, currency, true, '1000' FROM sandbox_charge",
    )
    second = await almoner.value("SELECT attempt_id FROM payment_attempt WHERE number = 2")
    change(almoner, GATEWAY, f"UPDATE sandbox_charge SET order_id = '{second.hex}' "
                             "WHERE order_id = 'x'")  # fmt: skip

    result = await matched(almoner)

    assert kinds(result) == [Kind.CAPTURED_TWICE]
    almoner.expected_broken = await almoner.broken()


class SaysTwice:
    """The sandbox's record, as of a gateway that took money twice under one order id."""

    def __init__(self, almoner: Installation) -> None:
        self._gateway = almoner.work.books.gateway
        self.name = self._gateway.name

    async def charges(self) -> AsyncIterator[RecordedCharge]:
        """Each charge, and once more under another transaction."""
        async for charge in self._gateway.charges():
            yield charge
            yield RecordedCharge(
                charge.order_id, "sb88888888", charge.money, charge.captured, charge.seen
            )

    async def look_up(self, order_id: str) -> Observation | None:
        """As the sandbox."""
        return await self._gateway.look_up(order_id)


async def test_two_captures_under_one_order_id_are_seen(
    almoner: Installation, donor: Donor
) -> None:
    """Also where our books know only one of them. Two declines are nothing."""
    await donor.gives()
    await donor.gives(amount="2001.00")
    attempt = await almoner.value(
        "SELECT attempt_id FROM payment_attempt WHERE state = 'SUBMITTED'"
    )

    match, found = await compare_charges(almoner.database, SaysTwice(almoner))

    assert [(d.kind, d.subject) for d in found] == [(Kind.CAPTURED_TWICE, attempt.hex)]
    assert match.matched == 2


async def test_what_was_taken_over_after_a_restore_is_no_stranger(almoner: Installation) -> None:
    """The rebuild has seen it: another program uses the same account."""
    change(almoner, GATEWAY, STRANGER)
    change(
        almoner,
        BOOKS,
        "INSERT INTO recovered_charge (gateway, order_id, gateway_transaction_id, amount_minor, "
        "currency, charged_at, found_at, became, reason) VALUES ('sandbox', "
        "'ffffffffffffffffffffffffffffffff', 'sb1', 100, 'USD', now(), now(), 'left_alone', "
        "'not_ours')",
    )

    assert kinds(await matched(almoner)) == []
    almoner.expected_broken = await almoner.broken()


async def test_a_payout_that_is_not_its_lines_is_a_difference(
    almoner: Installation, donor: Donor
) -> None:
    """A cent more arrived than the report explains."""
    await donor.gives()
    await almoner.work.books.gateway.record.close_batch()
    change(almoner, GATEWAY, PAYOUT)

    result = await matched(almoner)

    assert kinds(result) == [Kind.PAYOUT_SUM_DIFFERS]
    assert result.differences[0].detail == {
        "net_minor": 4826, "lines_minor": 4825, "currency": "USD",
    }  # fmt: skip


async def test_gifts_that_go_on_meanwhile_are_no_difference(
    almoner: Installation, donor: Donor
) -> None:
    """Charged there and not yet written here, or the other way round: it is looked at twice."""
    giving = asyncio.gather(*(donor.gives() for _ in range(40)))
    results = [await matched(almoner) for _ in range(3)]
    await giving

    assert [kinds(result) for result in results] == [[], [], []]


async def test_one_worker_at_a_time_matches_and_not_more_often_than_asked(
    almoner: Installation, donor: Donor
) -> None:
    """Ten ask, one does it; the next one a day later, or when the one that began has died."""
    await donor.gives()
    match = almoner.work.books.match
    runs = "SELECT count(*) FROM match_run WHERE kind = 'match'"
    await asyncio.gather(*(match.match_when_due() for _ in range(10)))
    once = await almoner.value(runs)
    change(almoner, BOOKS, "UPDATE match_run SET started_at = now() - interval '25 hours'")
    await asyncio.gather(*(match.match_when_due() for _ in range(10)))
    twice = await almoner.value(runs)
    change(almoner, BOOKS, "UPDATE match_run SET started_at = now() - interval '1 hour', "
                           "finished_at = NULL")  # fmt: skip
    await match.match_when_due()
    under_way = await almoner.value(runs)
    change(almoner, BOOKS, "UPDATE match_run SET started_at = now() - interval '3 hours'")
    await match.match_when_due()

    assert (once, twice, under_way, await almoner.value(runs)) == (1, 2, 2, 3)
    assert await almoner.value("SELECT matched FROM match_run WHERE finished_at IS NOT NULL") == 1


async def test_a_run_that_fails_may_begin_again_at_once(
    almoner: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway could not be asked: nobody waits a day for the next try."""
    match = almoner.work.books.match

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(match, "match", away)
        with pytest.raises(Unavailable):
            await match.match_when_due()
    await match.match_when_due()

    assert await almoner.value("SELECT count(*) FROM match_run WHERE finished_at IS NOT NULL") == 1


async def test_payouts_are_imported_in_their_rhythm(almoner: Installation, donor: Donor) -> None:
    """Without anybody asking for it."""
    await donor.gives()
    await almoner.work.books.gateway.record.close_batch()

    for _ in range(3):
        await almoner.work.books.match.import_when_due()

    assert await almoner.value("SELECT state FROM payment_attempt") == "SETTLED"
    assert await almoner.value("SELECT count(*) FROM match_run WHERE kind = 'import'") == 1


def detail_of(result: MatchResult) -> dict[str, Any]:
    """What the one difference tells."""
    (difference,) = result.differences
    return difference.detail


async def test_a_difference_tells_both_sides(almoner: Installation, donor: Donor) -> None:
    """Enough to decide by, and no person's data."""
    await donor.gives()
    change(almoner, GATEWAY, "UPDATE sandbox_charge SET amount_minor = 4000")

    detail = detail_of(await matched(almoner))

    assert detail["amount_minor"] == 5000
    assert detail["gateway"]["amount_minor"] == 4000
    assert "@" not in repr(detail)
    almoner.expected_broken = await almoner.broken()


def test_every_difference_is_explained_with_what_is_done() -> None:
    """The table in docs/reference/ledger.md: each kind, and whether it pages or is looked up."""
    text = (ROOT / "docs" / "reference" / "ledger.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \| .+ \| (.+) \|$", text, re.MULTILINE)
    told = {kind: done for kind, done in rows if kind in set(Kind)}

    assert set(told) == set(Kind)
    for kind, treatment in TREATMENTS.items():
        assert ("page" in told[kind]) == treatment.page, kind
        assert ("looked up" in told[kind]) == treatment.look_again, kind
