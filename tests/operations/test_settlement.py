"""What a gateway pays out comes into the books once, and what does not fit is listed."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from almoner.ledger.balance import balances
from almoner.money import Money
from almoner.operations.import_settlement import Imported, Report
from almoner.operations.match.difference import Kind
from almoner.payments.gateway import NotAReport, Payout, SettledCharge
from almoner.payments.gateways.sandbox.read_report import read_report
from almoner.payments.gateways.sandbox.settle import REPORT_COLUMNS, write_report
from support.donor import Donor
from support.installation import Installation
from support.tamper import tamper

STATES = "SELECT string_agg(DISTINCT state, ' ') FROM payment_attempt"
LOST = "fake-lost-answer-nonce"


async def imported(almoner: Installation) -> Imported:
    """Import what is new at the gateway."""
    books = almoner.work.books
    return await books.settlement.new("sandbox", books.gateway)


async def given(almoner: Installation, *reports: Report) -> Imported:
    """Import these payouts."""

    async def each() -> AsyncIterator[Report]:
        for report in reports:
            yield report

    return await almoner.work.books.settlement.given("sandbox", each())


async def reports(almoner: Installation) -> list[Report]:
    """All payouts of the sandbox."""
    return [report async for report in almoner.work.books.gateway.payouts("")]


async def stands(almoner: Installation) -> dict[str, int]:
    """The balances that are not zero, in minor units."""
    return {
        f"{b.account} {b.money.currency}": b.money.amount_minor
        for b in await balances(almoner.database)
        if b.money.amount_minor
    }


def line(order_id: str, **changed: Any) -> Report:
    """A payout of one line of 50.00 USD."""
    money = Money(changed.get("amount_minor", 5000), changed.get("currency", "USD"))
    payout_id = changed.get("payout_id", f"po{uuid4().hex[:8]}")
    charge = SettledCharge(
        payout_id, order_id, changed.get("transaction_id", "sb00000001"), money, 175
    )
    net_minor = changed.get("net_minor", money.amount_minor - 175)
    return Payout(payout_id, money.currency, net_minor, 1_800_000_000_000), [charge]


async def test_a_payout_settles_its_charges_and_arrives_at_the_bank(
    almoner: Installation, donor: Donor
) -> None:
    """Two gifts in dollars and one in yen: settled with their fees, nothing left in between."""
    answer = await donor.gives(amount="50.00")
    await donor.gives(amount="10.00")
    await donor.gives(amount="1000", currency="JPY")
    await almoner.work.books.gateway.record.close_batch()

    done = await imported(almoner)

    assert (done.payouts, done.lines_settled, done.differences) == (2, 3, [])
    assert await almoner.value(STATES) == "SETTLED"
    assert await stands(almoner) == {
        "bank:jpy JPY": 941,
        "bank:usd USD": 6000 - 175 - 59,
        "charity_income:101 JPY": -1000,
        "charity_income:101 USD": -6000,
        "gateway_fees:sandbox JPY": 59,
        "gateway_fees:sandbox USD": 175 + 59,
    }
    assert (await donor.sees(answer))["status"] == "success"
    told = "SELECT count(*) FROM event WHERE kind = 'donation.settled'"
    assert await almoner.value(told) == 3


async def test_the_same_payout_again_changes_nothing(almoner: Installation, donor: Donor) -> None:
    """From the gateway, and from its report file, by several at once."""
    for _ in range(3):
        await donor.gives()
    await almoner.work.books.gateway.record.close_batch()
    await imported(almoner)
    before = await stands(almoner)
    file = io.StringIO()
    write_report(file, await reports(almoner))
    file.seek(0)
    from_file = read_report(file)

    again = await asyncio.gather(*(given(almoner, *from_file) for _ in range(5)))

    assert {(a.payouts, a.payouts_known, a.lines_settled) for a in again} == {(0, 1, 0)}
    assert await stands(almoner) == before
    assert await almoner.value("SELECT count(*) FROM payout") == 1


async def test_many_import_the_same_payouts_at_once(almoner: Installation, donor: Donor) -> None:
    """Each line settles once, whoever is first."""
    for _ in range(6):
        await donor.gives()
    await almoner.work.books.gateway.record.close_batch()

    await asyncio.gather(*(imported(almoner) for _ in range(6)))
    await imported(almoner)

    assert await almoner.value(STATES) == "SETTLED"
    assert (await stands(almoner))["bank:usd USD"] == 6 * (5000 - 175)
    assert await almoner.value("SELECT count(*) FROM settlement_line WHERE settled_at IS NULL") == 0


async def test_payouts_come_in_any_order(almoner: Installation, donor: Donor) -> None:
    """The newer report is read first."""
    await donor.gives()
    await almoner.work.books.gateway.record.close_batch()
    await donor.gives()
    await almoner.work.books.gateway.record.close_batch()
    older, newer = await reports(almoner)

    first, second = await given(almoner, newer), await given(almoner, older)

    assert (first.lines_settled, second.lines_settled) == (1, 1)
    assert await almoner.value(STATES) == "SETTLED"


async def test_a_line_of_a_charge_in_doubt_waits_for_the_look_up(
    almoner: Installation, donor: Donor
) -> None:
    """The report alone moves nothing that is not known to be captured."""
    await donor.gives(payment_method_nonce=LOST)
    await almoner.work.books.gateway.record.close_batch()

    early = await imported(almoner)
    in_doubt = await almoner.value(STATES)
    await almoner.resolve_now()
    late = await imported(almoner)

    assert [d.kind for d in early.differences] == [Kind.PAID_OUT_IN_DOUBT]
    assert (in_doubt, early.lines_settled) == ("UNKNOWN", 0)
    assert (late.lines_settled, late.differences) == (1, [])
    assert await almoner.value("SELECT count(*) FROM match_difference "
                               "WHERE resolved_at IS NULL") == 0  # fmt: skip


async def test_a_charge_that_was_settled_without_its_fee_gets_it(
    almoner: Installation, donor: Donor
) -> None:
    """Seen as disputed before the report came: only the fee is posted then."""
    await donor.gives()
    attempt = await almoner.value("SELECT attempt_id FROM payment_attempt")
    (payout, (charge,)) = line(attempt.hex)
    without_fee = SettledCharge("po0", attempt.hex, charge.gateway_transaction_id, charge.money, 0)
    await given(almoner, (Payout("po0", "USD", 5000, payout.paid_ms), [without_fee]))
    tamper(
        almoner.settings.servers.database_url,
        "DELETE FROM settlement_line",
        "DELETE FROM ledger_entry WHERE source_kind = 'payout'",
        "DELETE FROM payout",
    )

    done = await given(almoner, (payout, [charge]))

    assert (done.lines_settled, done.differences) == (1, [])
    assert (await stands(almoner))["gateway_fees:sandbox USD"] == 175
    assert "payout_clearing:sandbox USD" not in await stands(almoner)


BREACHED = "UPDATE payment_attempt SET "


@pytest.mark.parametrize(
    ("changed", "tampering", "kind"),
    [
        ({"order_id": uuid4().hex}, None, Kind.PAID_OUT_UNKNOWN),
        ({"order_id": "somebody else's"}, None, Kind.PAID_OUT_UNKNOWN),
        ({}, "UPDATE payment_attempt SET gateway = 'another'", Kind.PAID_OUT_UNKNOWN),
        ({"amount_minor": 4999}, None, Kind.PAID_OUT_AMOUNT_DIFFERS),
        ({"currency": "EUR"}, None, Kind.PAID_OUT_AMOUNT_DIFFERS),
        ({"transaction_id": "sb99999999"}, None, Kind.PAID_OUT_AMOUNT_DIFFERS),
        ({}, BREACHED + "state = 'NOT_CHARGED'", Kind.PAID_OUT_UNCHARGED),
        ({}, BREACHED + "state = 'VOIDED'", Kind.PAID_OUT_UNCHARGED),
        ({}, BREACHED + "state = 'SETTLEMENT_FAILED'", Kind.PAID_OUT_UNCHARGED),
        ({}, BREACHED + "state = 'NEEDS_REVIEW'", Kind.PAID_OUT_IN_DOUBT),
        ({}, BREACHED + "state = 'LATE_SUCCESS'", Kind.PAID_OUT_IN_DOUBT),
    ],
)
async def test_a_line_that_does_not_fit_is_a_difference_and_moves_nothing(
    almoner: Installation, donor: Donor, changed: dict[str, Any], tampering: str | None, kind: Kind
) -> None:
    """Whatever a report says, the other lines are settled and nothing is half-done."""
    await donor.gives()
    attempt = await almoner.value("SELECT attempt_id FROM payment_attempt")
    if tampering:
        tamper(almoner.settings.servers.database_url, tampering)
    before = await almoner.value(STATES)
    versions = "SELECT version FROM payment_attempt WHERE attempt_id = %s"
    version = await almoner.value(versions, attempt)
    order_id = changed.pop("order_id", attempt.hex)

    done = await given(almoner, line(order_id, **changed))

    assert [(d.kind, d.subject) for d in done.differences] == [(kind, order_id)]
    assert await almoner.value(STATES) == before
    assert "gateway_fees:sandbox USD" not in await stands(almoner)
    # Late money is decided about by a loop of its own; a look-up would tell nothing new.
    late = "LATE_SUCCESS" in (tampering or "")
    looked_at = kind in {Kind.PAID_OUT_UNCHARGED, Kind.PAID_OUT_IN_DOUBT} and not late
    due = "SELECT count(*) FROM payment_attempt WHERE next_check_at <= now()"
    assert await almoner.value(due) == looked_at
    assert await almoner.value(versions, attempt) in (version, version + 1)
    almoner.expected_broken = await almoner.broken() if tampering else []


async def test_one_charge_in_two_lines_settles_once(almoner: Installation, donor: Donor) -> None:
    """In one payout and in another: the first counts, the others are differences."""
    await donor.gives()
    attempt = await almoner.value("SELECT attempt_id FROM payment_attempt")
    payout, (charge,) = line(attempt.hex, net_minor=2 * (5000 - 175))

    first = await given(almoner, (payout, [charge, charge]))
    second = await given(almoner, line(attempt.hex))

    assert first.lines_settled == 1
    assert [d.kind for d in first.differences] == [Kind.PAID_OUT_TWICE]
    assert [d.kind for d in second.differences] == [Kind.PAID_OUT_TWICE, Kind.PAID_OUT_TWICE]
    assert (await stands(almoner))["gateway_fees:sandbox USD"] == 175


async def test_another_fee_than_the_one_in_the_books_is_a_difference(
    almoner: Installation, donor: Donor
) -> None:
    """A corrected report does not change what is posted."""
    await donor.gives()
    await almoner.work.books.gateway.record.close_batch()
    await imported(almoner)
    tamper(
        almoner.settings.servers.database_url,
        "UPDATE settlement_line SET settled_at = NULL, fee_minor = fee_minor + 1",
    )

    done = await imported(almoner)

    assert [d.kind for d in done.differences] == [Kind.FEE_DIFFERS]
    assert (await stands(almoner))["gateway_fees:sandbox USD"] == 175


async def test_a_payout_that_says_something_else_now_is_a_difference(
    almoner: Installation, donor: Donor
) -> None:
    """The first one stays; when it is as before again, the difference is gone."""
    await donor.gives()
    books = almoner.work.books
    await books.gateway.record.close_batch()
    await imported(almoner)
    url = almoner.settings.sandbox_url
    tamper(url, "UPDATE sandbox_payout SET gross_minor = gross_minor + 1")
    changed = await books.settlement.new("sandbox", books.gateway, of="all")
    tamper(url, "UPDATE sandbox_payout SET gross_minor = gross_minor - 1")

    again = await books.settlement.new("sandbox", books.gateway, of="all")

    assert [d.kind for d in changed.differences] == [Kind.PAYOUT_CHANGED]
    assert again.differences == []
    assert await almoner.value("SELECT net_minor FROM payout") == 5000 - 175
    assert await almoner.value("SELECT resolved_at IS NOT NULL FROM match_difference")


async def test_a_payout_that_takes_money_back_is_posted_the_other_way(
    almoner: Installation,
) -> None:
    """Refunds and disputes may be more than what was taken."""
    payout = Payout("po9", "USD", -700, 1_800_000_000_000)

    await given(almoner, (payout, []))

    assert await stands(almoner) == {"bank:usd USD": -700, "payout_clearing:sandbox USD": 700}


HEAD = ",".join(REPORT_COLUMNS)
GOOD = "po1,2026-11-22T10:00:00.000Z,abc,sb1,USD,5000,175"


def test_a_report_is_read_as_it_was_written() -> None:
    """Payouts in order, charges with them, net the sum less the fees."""
    text = "\n".join([HEAD, GOOD, GOOD.replace("po1", "po2").replace("USD", "JPY"),
                      GOOD.replace("abc", "def")])  # fmt: skip

    found = read_report(io.StringIO(text))

    assert [(p.payout_id, p.currency, p.net_minor) for p, _ in found] == [
        ("po1", "USD", 2 * 4825),
        ("po2", "JPY", 4825),
    ]
    assert [[c.order_id for c in charges] for _, charges in found] == [["abc", "def"], ["abc"]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1"),
        ("a,b,c", "line 1"),
        (f"{HEAD}\n{GOOD},x", "line 2: 8 fields"),
        (f"{HEAD}\n{GOOD}\n{GOOD.replace('5000', '50.00')}", "line 3: amount_minor"),
        (f"{HEAD}\n{GOOD.replace('5000', '-5')}", "line 2: amount_minor"),
        (f"{HEAD}\n{GOOD.replace(',175', ',1' + '0' * 30)}", "line 2: fee_minor"),
        (f"{HEAD}\n{GOOD.replace('USD', 'XXX')}", "line 2: currency"),
        (f"{HEAD}\n{GOOD.replace('abc', '')}", "line 2: order_id"),
        (f"{HEAD}\n{GOOD.replace('abc', chr(0))}", "line 2"),
        (f"{HEAD}\n{GOOD.replace('2026-11-22T10:00:00.000Z', 'yesterday')}", "line 2: paid_at"),
        (f"{HEAD}\n{GOOD.replace('.000Z', '')}", "line 2: paid_at"),
        (f"{HEAD}\n{GOOD}\n{GOOD.replace('USD', 'EUR')}", "line 3: a payout has one currency"),
        (f'{HEAD}\n"{GOOD}', "line"),
    ],
)
def test_a_file_that_is_no_report_is_refused_as_a_whole(text: str, says: str) -> None:
    """The line is named; nothing of it is used."""
    with pytest.raises(NotAReport, match=says):
        read_report(io.StringIO(text))


@given_any(st.text(max_size=300), st.lists(st.lists(st.text(max_size=30), min_size=7, max_size=7)))
def test_any_text_is_a_report_or_none(text: str, rows: list[list[str]]) -> None:
    """Whatever is in the file, nothing else than NotAReport comes of it."""
    file = io.StringIO()
    csv.writer(file).writerows([REPORT_COLUMNS, *rows])
    for candidate in (text, HEAD + "\n" + text, file.getvalue()):
        with contextlib.suppress(NotAReport):
            read_report(io.StringIO(candidate))


@given_any(
    st.lists(st.tuples(st.integers(0, 10**15 - 1), st.integers(0, 10**9)), min_size=1, max_size=9)
)
def test_what_is_written_is_read_again(amounts: list[tuple[int, int]]) -> None:
    """The same payouts and charges come back."""
    charges = [
        SettledCharge("po1", f"order{n}", f"sb{n}", Money(amount, "EUR"), fee)
        for n, (amount, fee) in enumerate(amounts)
    ]
    payout = Payout("po1", "EUR", sum(a - f for a, f in amounts), 1_800_000_000_123)
    file = io.StringIO()

    write_report(file, [(payout, charges)])
    file.seek(0)

    assert read_report(file) == [(payout, charges)]
