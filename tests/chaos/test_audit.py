"""The audit must be able to fail: each lie, loss and double charge is named."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from chaos.audit import Audit, compare
from chaos.donors import Crowd, Promise, Told
from chaos.lies import Lie
from support.donor import Donor
from support.installation import Installation
from support.tamper import superuser_url, tamper


class ThreeTruths:
    """One paid gift, seen from three sides."""

    def __init__(self, crowd: Crowd, database_url: str, charges: list[dict[str, Any]]) -> None:
        self.crowd, self.database_url, self.charges = crowd, database_url, charges
        self.promise = crowd.promises[0]
        self.lies: list[Lie] = []
        self.differences: list[dict[str, Any]] = []

    @property
    def donation_id(self) -> str:
        """The donation that was told of."""
        return self.promise.told[0].donation_id

    def tampered(self, statement: str, *parameters: Any) -> None:
        """Change our database behind the program's back."""
        tamper(self.database_url, statement, parameters=parameters)

    def goes_back(self, state: str = "voided") -> None:
        """The gateway has given the money back, and the donor was told that there is none."""
        self.charges[0] |= {"captured": False, "state": state}
        self.promise.told[:] = [Told(self.donation_id, "failure", None)]
        self.promise.bodies.clear()
        self.tampered("UPDATE payment_attempt SET state = 'VOIDED'")
        self.tampered("DELETE FROM ledger_entry")

    def breaches(self) -> list[str]:
        """What the audit says."""
        audit: Audit = compare(
            self.crowd, superuser_url(self.database_url), self.charges, self.lies, self.differences
        )
        return audit.breaches


@pytest.fixture
async def three(almoner: Installation, donor: Donor) -> ThreeTruths:
    """A gift that was told, booked and charged."""
    answer = await donor.gives()
    body = answer.json()
    promise = Promise(
        "a key of twenty characters",
        {},
        [Told(body["donation_id"], "success", body["transaction_id"])],
        [answer.content],
    )
    crowd = Crowd("", 1, lambda _: True, 1)
    crowd.promises.append(promise)
    attempt_id = await almoner.value("SELECT attempt_id FROM payment_attempt")
    charges = [
        {
            "order_id": attempt_id.hex,
            "transaction_id": body["transaction_id"],
            "amount": "50.00",
            "captured": True,
            "state": "submitted",
        }
    ]
    return ThreeTruths(crowd, almoner.settings.servers.database_url, charges)


async def test_nothing_is_wrong_where_nothing_is_wrong(three: ThreeTruths) -> None:
    """Three truths that agree."""
    assert three.breaches() == []


async def test_a_lie_is_named(three: ThreeTruths) -> None:
    """Told "not charged", and charged."""
    three.promise.told[0] = Told(three.donation_id, "failure", None)

    assert any("was told 'not charged' and paid" in b for b in three.breaches())


async def test_a_payment_that_was_never_made_is_named(three: ThreeTruths) -> None:
    """Told "paid", with a transaction that the gateway does not know."""
    three.promise.told[0] = Told(three.donation_id, "success", "sbX")

    assert any("which holds no money" in b for b in three.breaches())


async def test_a_paid_gift_that_is_told_as_not_charged_in_the_end_is_named(
    three: ThreeTruths,
) -> None:
    """Two ends, and the bank has taken nothing back."""
    three.promise.told.append(Told(three.donation_id, "failure", None))

    assert any("heard both success and then failure" in b for b in three.breaches())


async def test_what_the_bank_took_back_may_be_told_as_paid_and_then_as_not(
    almoner: Installation, three: ThreeTruths
) -> None:
    """The one way in which a gift may have two ends."""
    three.charges[0] |= {"captured": False, "state": "settlement_failed"}
    three.promise.told.append(Told(three.donation_id, "failure", None))
    three.tampered("UPDATE payment_attempt SET state = 'SETTLEMENT_FAILED'")
    three.tampered("DELETE FROM ledger_entry")
    almoner.expected_broken = await almoner.broken()

    assert three.breaches() == []


async def test_an_older_state_after_a_newer_one_is_named(three: ThreeTruths) -> None:
    """Processing after paid."""
    three.promise.told.append(Told(three.promise.told[0].donation_id, "processing", None))

    assert any("older state" in b for b in three.breaches())


@pytest.mark.parametrize(("asked_at", "named"), [(1.0, False), (3.0, True)])
async def test_an_answer_that_crossed_a_newer_one_is_no_breach(
    three: ThreeTruths, asked_at: float, named: bool
) -> None:
    """Of a double click either answer may come first. One that was asked for afterwards is named,
    also behind one that crossed."""
    first = three.promise.told[0]
    three.promise.told[0] = structs.replace(first, asked_at=0.5, heard_at=2.0)
    three.promise.told += [
        Told(first.donation_id, "processing", None, asked_at=1.0, heard_at=2.5),
        Told(first.donation_id, "processing", None, asked_at=asked_at, heard_at=4.0),
    ]

    assert any("older state" in b for b in three.breaches()) is named


async def test_an_older_version_after_a_newer_one_is_named(three: ThreeTruths) -> None:
    """Two looks, the second of them into the past."""
    transaction = three.promise.told[0].transaction_id
    three.promise.told += [Told(three.donation_id, "success", transaction, n) for n in (3, 2)]

    assert any("older version" in b for b in three.breaches())


async def test_a_gift_whose_end_nobody_heard_is_named(three: ThreeTruths) -> None:
    """Processing, for ever."""
    three.promise.told[0] = Told(three.donation_id, "processing", None)

    assert any("never heard what became" in b for b in three.breaches())


async def test_a_charge_that_we_do_not_know_is_named(three: ThreeTruths) -> None:
    """A charge at the gateway only."""
    three.charges.append({**three.charges[0], "order_id": "0" * 32, "transaction_id": "sbX"})

    assert any("belongs to no attempt" in b for b in three.breaches())


async def test_a_charge_that_is_missing_there_is_named(three: ThreeTruths) -> None:
    """Captured here only."""
    three.charges.clear()

    assert any("captured here only" in b for b in three.breaches())


async def test_an_acknowledged_gift_that_is_gone_is_named(
    almoner: Installation, three: ThreeTruths
) -> None:
    """The donor was told, and the database has forgotten."""
    tamper(almoner.settings.servers.database_url, "DELETE FROM payment_attempt")
    almoner.expected_broken = await almoner.broken()

    assert any("acknowledged and lost" in b for b in three.breaches())


async def test_two_different_answers_are_named(three: ThreeTruths) -> None:
    """A replay that is not byte-identical."""
    three.promise.bodies.append(b"{}")

    assert any("two different final answers" in b for b in three.breaches())


async def test_books_that_differ_are_named(almoner: Installation, three: ThreeTruths) -> None:
    """A cent more in the ledger."""
    tamper(
        almoner.settings.servers.database_url,
        "UPDATE ledger_entry SET amount_minor = amount_minor - 1 WHERE amount_minor < 0",
    )
    almoner.expected_broken = await almoner.broken()

    assert any("the books say" in b for b in three.breaches())


async def test_a_kept_gift_that_was_never_taken_in_is_named(three: ThreeTruths) -> None:
    """Acknowledged by the journal alone, and no record of it was ever drained."""
    three.promise.kept = True

    assert any("was kept and never taken in" in b for b in three.breaches())


async def test_a_kept_gift_without_an_end_is_named(three: ThreeTruths) -> None:
    """Drained, and its donor still reads "being confirmed"."""
    three.promise.kept = True
    three.promise.told[0] = Told(three.donation_id, "processing", None)
    three.tampered(
        "INSERT INTO journal_drained VALUES (gen_random_uuid(), 1, %s, gen_random_uuid(), "
        "'begun', now())",
        three.donation_id,
    )

    breaches = three.breaches()
    assert any("was kept, and never heard the end of it" in b for b in breaches)
    assert not any("never taken in" in b for b in breaches)


async def test_money_that_went_back_and_nobody_promised_is_named(
    almoner: Installation, three: ThreeTruths
) -> None:
    """Given back at the gateway, and no decision of ours."""
    three.goes_back()
    almoner.expected_broken = await almoner.broken()

    assert any("went back and nobody decided it" in b for b in three.breaches())


async def test_a_promise_to_give_back_that_was_not_kept_is_named(
    almoner: Installation, three: ThreeTruths
) -> None:
    """Promised, and the gateway still holds it."""
    transaction = three.promise.told[0].transaction_id
    three.goes_back()
    three.charges[0] |= {"captured": True, "state": "submitted"}
    three.tampered(_PROMISE, transaction, None, None)
    almoner.expected_broken = await almoner.broken()

    breaches = three.breaches()
    assert any("was promised back, and is not" in b for b in breaches)
    assert any("was given back in our books and is submitted" in b for b in breaches)


async def test_money_that_went_back_and_is_told_as_paid_is_named(
    almoner: Installation, three: ThreeTruths
) -> None:
    """The donor has the money again and reads "thank you"."""
    transaction = three.promise.told[0].transaction_id
    three.goes_back()
    three.tampered(_PROMISE, transaction, "2026-01-01", "void")
    almoner.expected_broken = await almoner.broken()
    assert three.breaches() == []

    three.promise.told.append(Told(three.donation_id, "success", transaction))

    assert any("the gateway holds set()" in b for b in three.breaches())


async def test_a_forged_webhook_that_was_stored_is_named(
    almoner: Installation, three: ThreeTruths
) -> None:
    """Nobody checked the signature."""
    three.tampered(_WEBHOOK, "ev_forged", None)
    three.lies.append(Lie("ev_forged", three.charges[0]["order_id"], "charge.voided", False, 204))
    almoner.expected_broken = await almoner.broken()

    breaches = three.breaches()
    assert any("the forged webhook ev_forged was stored" in b for b in breaches)
    assert any("a forged webhook was told 204" in b for b in breaches)


async def test_a_webhook_that_was_believed_is_named(
    almoner: Installation, three: ThreeTruths
) -> None:
    """It said that the gift was given back, and our books took its word for it."""
    three.tampered(_WEBHOOK, "ev_lie", None)
    three.lies.append(Lie("ev_lie", three.charges[0]["order_id"], "charge.voided", True, 204))
    assert three.breaches() == []

    three.tampered("UPDATE payment_attempt SET state = 'VOIDED'")
    almoner.expected_broken = await almoner.broken()

    assert any("was believed" in b for b in three.breaches())


async def test_a_webhook_that_is_lost_or_given_up_is_named(
    almoner: Installation, three: ThreeTruths
) -> None:
    """One was answered 204 and is nowhere, another lies parked."""
    three.tampered(_WEBHOOK, "ev_parked", "2026-01-01")
    three.lies.append(Lie("ev_gone", three.charges[0]["order_id"], "charge.voided", True, 204))
    almoner.expected_broken = await almoner.broken()

    breaches = three.breaches()
    assert any("the webhook ev_gone was taken and is lost" in b for b in breaches)
    assert any("the webhook ev_parked was given up" in b for b in breaches)


async def test_a_difference_that_stays_open_is_named(three: ThreeTruths) -> None:
    """The program's own match has found something, and nothing explains it."""
    order_id = three.charges[0]["order_id"]
    three.differences.append({"kind": "paid_out_uncharged", "subject": order_id})

    assert any("the match ends with paid_out_uncharged" in b for b in three.breaches())


_PROMISE = """
    INSERT INTO money_return (return_id, attempt_id, donor_id, gateway, gateway_transaction_id,
                              amount_minor, currency, reason, request_key, decided_at, next_try_at,
                              done_at, done_kind)
    SELECT gen_random_uuid(), attempt_id, donor_id, gateway, %s, amount_minor, currency,
           'told_not_charged', 'a key', now(), now(), %s, %s FROM payment_attempt
"""
_WEBHOOK = """
    INSERT INTO webhook (webhook_id, gateway, external_id, payload, received_at, processed_at,
                         parked_at)
    VALUES (gen_random_uuid(), 'sandbox', %s, '', now(), now(), %s)
"""
