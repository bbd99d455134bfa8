"""Every check can fail: each invariant is broken once, behind the guards, and must be named."""

from __future__ import annotations

import pytest

from almoner.operations.check import check
from almoner.operations.invariants import CHECKS, INVARIANTS
from almoner.operations.view import View
from almoner.platform.clock import now_ms
from support.donor import Donor
from support.installation import Installation, Installations
from support.tamper import tamper
from tidy.project import ROOT

ATTEMPT_COPY = """
    INSERT INTO payment_attempt
    SELECT gen_random_uuid(), donor_id, payable_id, 2, gateway, state, amount_minor, currency,
           merchant_account, version, lease_owner, lease_epoch, dispatched_at, observed_at,
           'sb00009999', decline_code, checks, misses, next_check_at
    FROM payment_attempt
"""

BREACHES: dict[str, list[str]] = {
    "captured_once": ["DROP INDEX payment_attempt_one_live", ATTEMPT_COPY],
    "one_live_attempt": ["DROP INDEX payment_attempt_one_live", ATTEMPT_COPY],
    "key_has_donation": ["DELETE FROM donation"],
    "donation_has_attempt": ["DELETE FROM payment_attempt"],
    "attempt_for_same_sum": ["UPDATE payment_attempt SET amount_minor = 1"],
    "donation_has_key": ["DELETE FROM idempotency_record"],
    "final_has_answer": [
        "UPDATE idempotency_record SET response_status = NULL, response_body = NULL"
    ],
    "told_paid_is_paid": ["UPDATE payment_attempt SET state = 'NOT_CHARGED'"],
    "told_what_was_given": [
        "UPDATE idempotency_record SET response_body = convert_to(replace("
        "convert_from(response_body, 'UTF8'), '\"50.00\"', '\"5.00\"'), 'UTF8')"
    ],
    "charity_is_the_one_chosen": ["UPDATE donation SET charity_id = 102"],
    "told_unpaid_is_unpaid": ["UPDATE idempotency_record SET response_status = 402"],
    "doubt_ends": [
        "UPDATE payment_attempt SET state = 'UNKNOWN', dispatched_at = now() - interval '9 days'"
    ],
    "doubt_is_scheduled": ["UPDATE payment_attempt SET state = 'UNKNOWN', next_check_at = NULL"],
    "guards_in_place": ["ALTER TABLE payment_attempt DISABLE TRIGGER payment_attempt_guard"],
    "transfers_sum_to_zero": ["UPDATE ledger_entry SET amount_minor = 1 WHERE leg = 1"],
    "posted_once": [
        "INSERT INTO ledger_entry SELECT gen_random_uuid(), leg, donor_id, account, amount_minor, "
        "currency, source_kind, source_id, posted_at FROM ledger_entry"
    ],
    "capture_is_posted": ["DELETE FROM ledger_entry"],
    "posting_is_captured": ["UPDATE payment_attempt SET gateway_transaction_id = NULL, "
                            "state = 'NOT_CHARGED'"],
    "paid_is_told": ["DELETE FROM event"],
    "no_card_number": [
        "UPDATE gateway_operation SET gateway_code = 'said \"4111 1111-1111 1111\"'"
    ],
    "transaction_used_once": ["DROP INDEX payment_attempt_one_live",
        ATTEMPT_COPY,
        "UPDATE payment_attempt SET gateway_transaction_id = 'sb00000001'",
    ],
    "recovered_has_donation": [
        "INSERT INTO recovered_charge (gateway, order_id, gateway_transaction_id, amount_minor, "
        "currency, charged_at, found_at, became, reason) VALUES "
        "('sandbox', 'x', 'x', 1, 'USD', now(), now(), 'suspense', 'no_reference')"
    ],
    "attempt_has_donation": ["DELETE FROM donation"],
    "chain_verifies": [
        "INSERT INTO ledger_seal VALUES (0, 1, -1, 1000, 100, sha256(''), sha256(''), now())"
    ],
    "receivable_is_owed": [
        "DELETE FROM ledger_entry WHERE starts_with(account, 'gateway_receivable')"
    ],
    "payout_is_posted": [
        "INSERT INTO payout (gateway, payout_id, currency, net_minor, paid_at, lines, source_id, "
        "received_at) VALUES ('sandbox', 'po1', 'USD', 100, now(), 0, gen_random_uuid(), now())"
    ],
    "event_is_delivered": [
        "INSERT INTO event_subscription VALUES ('log', 'donation.paid', now())",
        "UPDATE event SET published_at = now() + interval '1 hour'",
    ],
    "totals_match_ledger": ["INSERT INTO charity_total VALUES (101, 'USD', 1, 1)"],
    "second_capture_returned": [
        "UPDATE gateway_operation SET gateway_code = 'second_transaction', "
        "gateway_transaction_id = 'sb00009999', finished_at = now() - interval '2 days'"
    ],
    "late_money_decided": [
        "UPDATE payment_attempt SET state = 'LATE_SUCCESS', "
        "observed_at = now() - interval '2 hours'"
    ],
    "promised_money_returned": [
        "INSERT INTO money_return (return_id, attempt_id, donor_id, gateway, "
        "gateway_transaction_id, amount_minor, currency, reason, request_key, decided_at, "
        "next_try_at) SELECT gen_random_uuid(), attempt_id, donor_id, gateway, 'sb1', 5000, 'USD', "
        "'two_captures', 'key', now() - interval '2 days', now() FROM payment_attempt"
    ],
    "suspense_is_late_money": ["UPDATE ledger_entry SET source_kind = 'late_success'"],
    "history_is_a_path": ["UPDATE gateway_operation SET outcome = 'NOT_CHARGED'"],
    "review_has_two_names": ["UPDATE gateway_operation SET kind = 'review'"],
    "given_back_was_captured": [
        "UPDATE ledger_entry SET amount_minor = -amount_minor"
    ],
}  # fmt: skip


def test_every_invariant_has_a_breach_in_this_file() -> None:
    """A new check must come with the proof that it can fail."""
    assert set(BREACHES) == set(CHECKS)


def test_every_number_of_the_list_has_its_class() -> None:
    """Eighteen, each once; one without a check says who shows it, or with what it comes."""
    assert [invariant.number for invariant in INVARIANTS] == list(range(1, 19))
    assert all(i.checks or i.shown_by or i.to_come for i in INVARIANTS)
    assert [path for i in INVARIANTS for path in i.shown_by if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("name", BREACHES)
async def test_a_broken_invariant_is_named(almoner: Installation, donor: Donor, name: str) -> None:
    """One gift, one breach: the check of that name does not hold."""
    await donor.gives()
    assert await almoner.broken() == []

    tamper(almoner.settings.servers.database_url, *BREACHES[name])

    almoner.expected_broken = await almoner.broken()
    deep = View(almoner.database, deep=True)
    assert name in [found.name async for found in check(deep) if not found.holds]
    if CHECKS[name].when == "always":
        hour_ago = View(almoner.database, since_ms=now_ms() - 3_600_000, nightly=False)
        assert name in [found.name async for found in check(hour_ago) if not found.holds]


@pytest.mark.parametrize(
    ("name", "breach"),
    [
        ("told_what_was_given", "UPDATE donation SET amount_minor = amount_minor + 1"),
        ("told_what_was_given", "UPDATE donation SET currency = 'CHF'"),
        ("told_what_was_given", "UPDATE donation SET charity_id = 102"),
        ("charity_is_the_one_chosen", "UPDATE donation SET charity_id = 102"),
        ("charity_is_the_one_chosen", "UPDATE donation SET amount_minor = amount_minor + 1"),
        ("told_what_was_given", "UPDATE idempotency_record SET response_body = '\\x00ff7b'"),
    ],
)
async def test_what_was_told_is_compared_with_what_was_given(
    almoner: Installation, donor: Donor, name: str, breach: str
) -> None:
    """Also where nothing was charged, so that no ledger knows the gift; and an answer that cannot
    be read is named, not stumbled over."""
    await donor.gives(payment_method_nonce="fake-processor-declined-visa-nonce")

    tamper(almoner.settings.servers.database_url, breach)

    almoner.expected_broken = await almoner.broken()
    assert name in almoner.expected_broken


async def test_amounts_of_every_form_are_told_as_they_were_given(
    installation: Installations,
) -> None:
    """With no, two and three decimals, below one and above a thousand: nothing is taken amiss."""
    almoner = await installation(currencies="USD,EUR,JPY,KWD", amount_min="0.01")
    for currency, amount in (("USD", "0.05"), ("JPY", "700"), ("KWD", "5.125"), ("EUR", "1234.5")):
        answer = await Donor(almoner).gives(currency=currency, amount=amount)
        assert answer.status_code == 201, answer.text

    assert await almoner.broken() == []


async def test_a_released_charge_is_compared_with_old_gifts_too(
    almoner: Installation, donor: Donor
) -> None:
    """The frequent look sees that people released a charge by the transaction of an older gift."""
    await donor.gives()
    await donor.gives()
    url = almoner.settings.servers.database_url
    old = "(SELECT min(attempt_id::text) FROM payment_attempt)::uuid"
    donation = f"(SELECT payable_id FROM payment_attempt WHERE attempt_id = {old})"
    tamper(
        url,
        f"UPDATE idempotency_record SET created_at = '2020-01-01' WHERE donation_id = {donation}",
        f"UPDATE donation SET created_at = '2020-01-01' WHERE donation_id = {donation}",
        f"DELETE FROM gateway_operation WHERE attempt_id = {old}",
        "UPDATE gateway_operation SET kind = 'review'",
    )
    hour_ago = now_ms() - 3_600_000

    async def broken() -> bool:
        view = View(almoner.database, since_ms=hour_ago, nightly=False)
        found = {finding.name: finding.holds async for finding in check(view)}
        return not found["transaction_used_once"]

    before = await broken()
    tamper(url, "UPDATE payment_attempt SET gateway_transaction_id = 'sb00000001'")
    after = await broken()

    almoner.expected_broken = await almoner.broken()
    assert (before, after) == (False, True)


async def test_a_look_at_what_changed_leaves_old_gifts_alone(
    almoner: Installation, donor: Donor
) -> None:
    """It costs what was written since, not what there is; everything else is the night's work."""
    await donor.gives()
    tamper(almoner.settings.servers.database_url, "DELETE FROM event")
    since = View(almoner.database, since_ms=now_ms() + 60_000, nightly=False)

    found = [finding async for finding in check(since)]

    assert len(found) > 10
    assert all(finding.holds for finding in found)
    almoner.expected_broken = await almoner.broken()
    assert "paid_is_told" in almoner.expected_broken


@pytest.mark.parametrize(
    ("where", "breach"),
    [
        ("gateway", "DELETE FROM sandbox_charge"),
        ("gateway", "UPDATE sandbox_charge SET amount_minor = amount_minor + 1"),
        ("gateway", "UPDATE sandbox_charge SET currency = 'EUR'"),
        ("gateway", "UPDATE sandbox_charge SET captured = false"),
        (
            "gateway",
            "INSERT INTO sandbox_charge (order_id, amount_minor, currency, captured, gateway_code) "
            "VALUES ('ffffffffffffffffffffffffffffffff', 1, 'USD', true, '1000')",
        ),
        ("books", "UPDATE payment_attempt SET gateway_transaction_id = 'sb77777777'"),
        ("books", "UPDATE payment_attempt SET state = 'DECLINED', decline_code = 'card_declined'"),
    ],
)
async def test_a_difference_to_the_gateway_is_found(
    almoner: Installation, donor: Donor, where: str, breach: str
) -> None:
    """Missing, unknown, another amount or transaction, charged but told declined: all seen."""
    await donor.gives()
    url = almoner.settings.sandbox_url
    tamper(url if where == "gateway" else almoner.settings.servers.database_url, breach)

    almoner.expected_broken = await almoner.broken()

    assert "matches_sandbox" in almoner.expected_broken


async def test_a_charge_in_doubt_is_open_and_breaks_nothing(
    almoner: Installation, donor: Donor
) -> None:
    """Honest doubt is no breach: the resolver's work is still to come."""
    await donor.gives(payment_method_nonce="fake-lost-answer-nonce")

    assert await almoner.broken() == []
