"""Money that turns up for an attempt that had ended without is kept or given back."""

from __future__ import annotations

import pytest

from almoner.donations.late_money import Circumstances, decide
from almoner.payments.gateway import Reversal
from support.donor import Donor
from support.installation import Installation
from support.tamper import tamper

LOST = "fake-lost-answer-nonce"
DECLINED = "fake-processor-declined-visa-nonce"
STATES = "SELECT string_agg(state, ' ' ORDER BY number) FROM payment_attempt"
KINDS = "SELECT string_agg(kind, ' ' ORDER BY occurred_at, event_id) FROM event"
SUSPENSE = "SELECT coalesce(sum(amount_minor), 0) FROM ledger_entry WHERE account = 'suspense'"
CAPTURE = "UPDATE sandbox_charge SET captured = true, state = 'submitted'"
HIDE = ("CREATE TABLE hidden AS TABLE sandbox_charge", "DELETE FROM sandbox_charge")
SHOW = (
    "INSERT INTO sandbox_charge OVERRIDING SYSTEM VALUE SELECT * FROM hidden",
    "DROP TABLE hidden",
)


async def capture_late(almoner: Installation) -> None:
    """The gateway takes, after all, the money that it had declined."""
    tamper(almoner.settings.sandbox_url, CAPTURE)


async def captured(almoner: Installation) -> list[bool]:
    """Whether the sandbox holds money, charge by charge."""
    return [held for _, _, held in await almoner.charged()]


@pytest.mark.parametrize(
    ("so", "decision"),
    [
        (Circumstances(), "adopt"),
        (Circumstances(told=201), "adopt"),
        (Circumstances(told=402), "told_not_charged"),
        (Circumstances(refused=True), "told_not_charged"),
        (Circumstances(answer_expired=True), "told_not_charged"),
        (Circumstances(voided=True), "voided_before"),
        (Circumstances(told=201, voided=True), "voided_before"),
        (Circumstances(given_again=True), "given_again"),
        (Circumstances(told=201, given_again=True), "given_again"),
        (Circumstances(elsewhere=True), "another_attempt"),
        (Circumstances(told=201, elsewhere=True), "another_attempt"),
        (Circumstances(told=402, elsewhere=True, given_again=True), "another_attempt"),
    ],
)
def test_what_the_donor_was_told_decides(so: Circumstances, decision: str) -> None:
    """Kept only where nobody was told "not charged" and nothing else pays for the same gift."""
    assert decide(so) == decision


async def test_a_decline_that_is_captured_after_all_is_given_back(
    almoner: Installation, donor: Donor
) -> None:
    """The donor was told "not charged": that is made true, through the account suspense."""
    answer = await donor.gives(payment_method_nonce=DECLINED)
    await capture_late(almoner)
    assert await captured(almoner) == [True]

    await almoner.late_now()

    assert answer.status_code == 402
    assert await almoner.value(STATES) == "VOIDED"
    assert await captured(almoner) == [False]
    assert await almoner.value(SUSPENSE) == 0
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 4
    assert await almoner.value(KINDS) == (
        "donation.not_paid donation.late_success donation.money_returned"
    )
    seen = await donor.sees(answer)
    assert (seen["status"], seen["code"]) == ("failure", "money_returned")


async def test_late_money_is_in_the_books_until_it_is_given_back(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway does not answer: the promise stays, is asked for again, and is kept once."""
    await donor.gives(payment_method_nonce=DECLINED)
    await capture_late(almoner)
    asked: list[str] = []
    original = almoner.work.gateway.reverse

    async def lost(order_id: str, transaction: str, money: object, request_key: str) -> Reversal:
        asked.append(request_key)
        if len(asked) < 3:
            if len(asked) == 2:  # done, and the answer is lost
                await original(order_id, transaction, money, request_key)  # type: ignore[arg-type]
            return Reversal(done=False, gateway_code="reset")
        return await original(order_id, transaction, money, request_key)  # type: ignore[arg-type]

    monkeypatch.setattr(almoner.work.gateway, "reverse", lost)
    await almoner.late_now()
    assert await almoner.value(STATES) == "LATE_SUCCESS"
    assert await almoner.value(SUSPENSE) == -5000
    assert await almoner.broken() == []

    for _ in range(2):
        tamper(almoner.settings.servers.database_url, "UPDATE money_return SET next_try_at = now()")
        await almoner.decide_late()

    assert await almoner.value(STATES) == "VOIDED"
    assert len(set(asked)) == 1
    assert await almoner.value(SUSPENSE) == 0
    assert await almoner.value("SELECT count(*) FROM money_return WHERE done_at IS NULL") == 0


async def test_a_charge_that_was_looked_for_in_vain_and_comes_is_given_back(
    almoner: Installation, donor: Donor
) -> None:
    """Two late misses, "not charged", and an hour later the charge is there after all: the second
    look of a final no finds it by itself."""
    answer = await donor.gives(payment_method_nonce=LOST)
    tamper(almoner.settings.sandbox_url, *HIDE)
    await almoner.resolve_now(age_s=130)
    await almoner.resolve_now(age_s=800)
    assert (await donor.sees(answer))["code"] == "not_charged"
    next_look = "SELECT extract(epoch FROM next_check_at - observed_at)::int FROM payment_attempt"
    assert await almoner.value(next_look) == 3_600

    tamper(almoner.settings.sandbox_url, *SHOW)
    await almoner.late_now()

    assert await almoner.value(STATES) == "VOIDED"
    assert await captured(almoner) == [False]


async def test_a_final_no_is_looked_at_twice_more_and_then_left_alone(
    almoner: Installation, donor: Donor
) -> None:
    """After an hour and after a day, when the gateway still knows nothing."""
    await donor.gives(payment_method_nonce="fake-unreachable-nonce")
    url = almoner.settings.servers.database_url
    looks = "SELECT extract(epoch FROM next_check_at - observed_at)::int FROM payment_attempt"
    schedule = [await almoner.value(looks)]

    for hours in (2, 30):
        tamper(
            url,
            f"UPDATE payment_attempt SET next_check_at = now(), "
            f"observed_at = now() - interval '{hours} hours'",
        )
        assert await almoner.work.resolver.sweep() == 1
        schedule.append(await almoner.value(looks))

    assert schedule == [3_600, 86_400, None]
    assert await almoner.value(STATES) == "NOT_SENT"


async def test_money_that_settles_after_it_had_failed_is_kept(
    almoner: Installation, donor: Donor
) -> None:
    """Told "paid", settlement failed, and the bank pays in the end: what was told stays true."""
    answer = await donor.gives()
    tamper(almoner.settings.sandbox_url, "UPDATE sandbox_charge SET state = 'settlement_failed'")
    await almoner.late_now()
    assert await almoner.value(STATES) == "SETTLEMENT_FAILED"
    assert (await donor.sees(answer))["code"] == "settlement_failed"

    tamper(almoner.settings.sandbox_url, "UPDATE sandbox_charge SET state = 'submitted'")
    await almoner.late_now()

    assert await almoner.value(STATES) == "SUBMITTED"
    assert (await donor.sees(answer))["status"] == "success"
    assert await almoner.value(SUSPENSE) == 0
    assert await captured(almoner) == [True]
    again = await almoner.value(
        "SELECT sum(amount_minor) FROM ledger_entry WHERE account LIKE 'charity_income:%%'"
    )
    assert again == -5000


async def test_who_gave_again_meanwhile_is_not_charged_twice(
    almoner: Installation, donor: Donor
) -> None:
    """The first gift failed to settle, the donor gave once more, and then the first one is paid."""
    await donor.gives(email="twice@example.com")
    tamper(almoner.settings.sandbox_url, "UPDATE sandbox_charge SET state = 'settlement_failed'")
    await almoner.late_now()
    second = await donor.gives(email="twice@example.com")
    assert second.status_code == 201

    tamper(
        almoner.settings.sandbox_url,
        "UPDATE sandbox_charge SET state = 'submitted' WHERE state = 'settlement_failed'",
    )
    await almoner.late_now()

    reason = await almoner.value("SELECT reason FROM money_return")
    assert reason == "given_again"
    assert sorted(await captured(almoner)) == [False, True]


async def test_late_money_holds_up_a_gift_alike(almoner: Installation, donor: Donor) -> None:
    """While nobody has decided yet, the same gift again asks "did you mean two?"."""
    await donor.gives(email="twice@example.com", payment_method_nonce=DECLINED)
    await capture_late(almoner)
    tamper(
        almoner.settings.servers.database_url,
        "UPDATE payment_attempt SET next_check_at = now()",
        "UPDATE donation SET created_at = now() - interval '1 hour'",
    )
    await almoner.work.resolver.sweep()
    assert await almoner.value(STATES) == "LATE_SUCCESS"

    again = await donor.gives(email="twice@example.com")

    assert (again.status_code, again.json()["code"]) == (409, "possible_duplicate")
    await almoner.decide_late()


async def test_a_second_attempt_that_paid_sends_the_late_first_one_back(
    almoner: Installation, donor: Donor
) -> None:
    """The first attempt was withdrawn as never sent, the second one paid; then the first one's
    money is there as well."""
    await donor.gives()
    database, sandbox = almoner.settings.servers.database_url, almoner.settings.sandbox_url
    first = "00000000-0000-7000-8000-0000000000aa"
    tamper(
        database,
        "UPDATE payment_attempt SET number = 2",
        f"""
        INSERT INTO payment_attempt (attempt_id, donor_id, payable_id, number, gateway, state,
            amount_minor, currency, version, lease_owner, dispatched_at, observed_at)
        SELECT '{first}', donor_id, payable_id, 1, gateway, 'NOT_SENT', amount_minor, currency, 2,
               lease_owner, dispatched_at, now() FROM payment_attempt
        """,
    )
    tamper(
        sandbox,
        "INSERT INTO sandbox_charge (order_id, amount_minor, currency, captured, gateway_code) "
        f"VALUES ('{first.replace('-', '')}', 5000, 'USD', true, '1000')",
    )

    await almoner.late_now()

    assert await almoner.value(STATES) == "VOIDED SUBMITTED"
    assert await almoner.value("SELECT reason FROM money_return") == "another_attempt"
    assert sorted(await captured(almoner)) == [False, True]


async def test_what_was_given_back_and_is_captured_again_goes_back_again(
    almoner: Installation, donor: Donor
) -> None:
    """A gateway that captures twice: twice in the books, twice given back, under two keys."""
    await donor.gives(payment_method_nonce=DECLINED)
    for _ in range(2):
        await capture_late(almoner)
        await almoner.late_now()
        assert await almoner.value(STATES) == "VOIDED"

    assert await almoner.value("SELECT count(DISTINCT request_key) FROM money_return") == 2
    assert await almoner.value(SUSPENSE) == 0
    assert await captured(almoner) == [False]
