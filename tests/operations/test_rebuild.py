"""What a restored database has lost, the gateway gives back: once, for the right charity."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from almoner.operations.recovery.alike import look_alikes
from almoner.operations.recovery.queries import all_kept
from support.donor import CHARITY_ID, Donor
from support.installation import Installation
from support.lost import lose_everything, rebuild
from support.tamper import tamper


async def test_a_lost_gift_comes_back_for_its_charity(almoner: Installation, donor: Donor) -> None:
    """With its ledger entries, event and answer; every check holds, the donor's link works."""
    told = await donor.gives()
    seen_before = await donor.sees(told)
    lose_everything(almoner)

    result = await rebuild(almoner)

    assert (result.seen, result.recovered, result.suspense) == (1, 1, 0)
    assert await almoner.broken() == []
    seen = await donor.sees(told)
    assert seen["status"] == "success"
    assert seen["transaction_id"] == seen_before["transaction_id"]
    row = await almoner.database.fetch_one("SELECT charity_id, email, amount_minor FROM donation")
    assert row == {"charity_id": CHARITY_ID, "email": "unknown@recovered.invalid",
                   "amount_minor": 5000}  # fmt: skip


async def test_the_same_key_after_the_rebuild_is_replayed_and_not_charged(
    almoner: Installation, donor: Donor
) -> None:
    """Nobody knows any more what was asked for under the key; the answer says what was charged."""
    key = str(uuid4())
    first = await donor.gives(key=key, email="same@example.com")
    lose_everything(almoner)
    await rebuild(almoner)

    again = await donor.gives(key=key, email="same@example.com")

    assert again.status_code == 201
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["transaction_id"] == first.json()["transaction_id"]
    assert len(await almoner.charged()) == 1


async def test_the_same_key_before_the_rebuild_is_answered_by_the_first_charge(
    almoner: Installation, donor: Donor
) -> None:
    """The order id follows from the key, so the gateway knows it again."""
    key = str(uuid4())
    first = await donor.gives(key=key, email="same@example.com")
    lose_everything(almoner)

    again = await donor.gives(key=key, email="same@example.com")

    assert again.status_code == 201
    assert again.json()["transaction_id"] == first.json()["transaction_id"]
    assert len(await almoner.charged()) == 1
    result = await rebuild(almoner)
    assert (result.known, result.recovered) == (1, 0)


async def test_a_recovered_gift_has_the_time_of_its_charge(
    almoner: Installation, donor: Donor
) -> None:
    """The gateway's, in the answer and under the link; not that of the rebuild."""
    key = str(uuid4())
    told = await donor.gives(key=key, email="same@example.com")
    tamper(almoner.settings.sandbox_url,
           "UPDATE sandbox_charge SET charged_at = '2026-03-01T10:00:00Z'")  # fmt: skip
    lose_everything(almoner)

    await rebuild(almoner)

    again = await donor.gives(key=key, email="same@example.com")
    assert again.json()["donation_timestamp"] == "2026-03-01T10:00:00.000Z"
    assert (await donor.sees(told))["donation_timestamp"] == "2026-03-01T10:00:00.000Z"
    assert await almoner.broken() == []


async def test_a_rebuild_can_be_repeated(almoner: Installation, donor: Donor) -> None:
    """The second one finds everything in its place."""
    for _ in range(3):
        await donor.gives()
    await donor.gives(amount="2000.00")
    lose_everything(almoner)
    await rebuild(almoner)

    result = await rebuild(almoner)

    assert (result.seen, result.known, result.recovered) == (4, 3, 0)
    assert [k.became for k in await all_kept(almoner.database)].count("donation") == 3


async def test_what_is_in_doubt_here_is_looked_up(almoner: Installation, donor: Donor) -> None:
    """The backup was taken in the middle of a charge."""
    told = await donor.gives(payment_method_nonce="fake-lost-answer-nonce")

    result = await rebuild(almoner)

    assert (result.looked_up, result.recovered) == (1, 0)
    assert (await donor.sees(told))["status"] == "success"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("UPDATE sandbox_charge SET payable_id = NULL", "no_reference"),
        ("UPDATE sandbox_charge SET payable_id = gen_random_uuid()", "reference_does_not_fit"),
        ("UPDATE sandbox_charge SET payee_id = NULL", "charity_not_told"),
        ("UPDATE sandbox_charge SET payee_id = 999999999", "charity_unknown"),
    ],
)
async def test_what_cannot_be_told_is_suspense_until_people_decide(
    almoner: Installation, donor: Donor, spoil: str, reason: str
) -> None:
    """The money is in the books, nobody's, and a check goes on saying so."""
    await donor.gives()
    lose_everything(almoner)
    tamper(almoner.settings.sandbox_url, spoil)

    result = await rebuild(almoner)

    (kept,) = await all_kept(almoner.database)
    assert (result.suspense, kept.became, kept.reason) == (1, "suspense", reason)
    assert await suspense(almoner) == -5000
    assert {"recovered_has_donation", "matches_sandbox"} <= set(await almoner.broken())
    if reason != "reference_does_not_fit":
        await rebuild(almoner, **{kept.order_id: CHARITY_ID})
        assert await suspense(almoner) == 0
        assert await almoner.broken() == []
    else:
        almoner.expected_broken = await almoner.broken()


async def test_a_donor_who_comes_back_takes_their_charge_out_of_suspense(
    almoner: Installation, donor: Donor
) -> None:
    """With the key the gift is theirs again, whatever the gateway kept of it."""
    key = str(uuid4())
    await donor.gives(key=key, email="same@example.com")
    lose_everything(almoner)
    tamper(almoner.settings.sandbox_url, "UPDATE sandbox_charge SET payable_id = NULL")
    await rebuild(almoner)

    again = await donor.gives(key=key, email="same@example.com")
    await almoner.work.rebuilding().release()

    assert again.status_code == 201
    assert await suspense(almoner) == 0
    (kept,) = await all_kept(almoner.database)
    assert kept.became == "released"


async def test_what_was_given_back_at_the_gateway_leaves_suspense(
    almoner: Installation, donor: Donor
) -> None:
    """The other way out: staff returns the money there and runs the command again."""
    await donor.gives()
    lose_everything(almoner)
    tamper(almoner.settings.sandbox_url, "UPDATE sandbox_charge SET payable_id = NULL")
    await rebuild(almoner)
    tamper(almoner.settings.sandbox_url, "UPDATE sandbox_charge SET captured = false")

    result = await rebuild(almoner)

    assert result.released == 1
    assert await suspense(almoner) == 0


async def test_two_captures_of_one_donation_are_not_both_taken(
    almoner: Installation, donor: Donor
) -> None:
    """The second cannot be live beside the first: people decide about it."""
    told = await donor.gives()
    donation_id = UUID(told.json()["donation_id"])
    lose_everything(almoner)
    from almoner.payments.attempt import attempt_id_of

    second = attempt_id_of(almoner.work.ids, donation_id, 2)
    tamper(
        almoner.settings.sandbox_url,
        "INSERT INTO sandbox_charge (order_id, amount_minor, currency, captured, gateway_code, "
        f"payable_id, payee_id) VALUES ('{second.hex}', 5000, 'USD', true, '1000', "
        f"'{donation_id}', {CHARITY_ID})",
    )

    result = await rebuild(almoner)

    assert (result.recovered, result.suspense) == (1, 1)
    assert [k.reason for k in await all_kept(almoner.database) if k.became == "suspense"] == [
        "second_capture"
    ]
    almoner.expected_broken = await almoner.broken()
    assert "recovered_has_donation" in almoner.expected_broken


async def test_money_that_a_donor_was_told_was_not_charged_goes_back(
    almoner: Installation, donor: Donor
) -> None:
    """Declined, captured after all, and lost by the restore in between: never a donation, also
    for the donor who asks with the same key, and who read "not charged" before."""
    key = str(uuid4())
    nonce = "fake-late-success-nonce"
    told = await donor.gives(key=key, payment_method_nonce=nonce, email="same@example.com")
    again = await donor.gives(email="same@example.com")
    lose_everything(almoner)
    tamper(almoner.settings.sandbox_url, "UPDATE sandbox_charge SET captures_at = now() "
           "WHERE captures_at IS NOT NULL")  # fmt: skip

    result = await rebuild(almoner)
    await almoner.decide_late()
    repeated = await donor.gives(key=key, payment_method_nonce=nonce, email="same@example.com")

    assert (told.status_code, again.status_code, repeated.status_code) == (402, 201, 402)
    assert (result.recovered, result.late, result.suspense) == (2, 1, 0)
    assert (await donor.sees(told))["status"] == "failure"
    assert (await donor.sees(again))["status"] == "success"
    assert sorted(captured for _, captured in await almoner.orders()) == [False, True]
    assert await almoner.broken() == []
    kinds = await almoner.value(
        "SELECT string_agg(kind, ' ' ORDER BY occurred_at, event_id) FROM event "
        "WHERE donation_id = %s",
        told.json()["donation_id"],
    )
    assert kinds == "donation.not_paid donation.late_success donation.money_returned"


async def test_an_assignment_that_cannot_be_made_is_named(
    almoner: Installation, donor: Donor
) -> None:
    """A charity that is not there, a charge of another charity, a charge that nobody knows, one
    without money. What was assigned before may be assigned so again."""
    await donor.gives()
    await donor.gives(payment_method_nonce="fake-processor-declined-visa-nonce")
    orders = {captured: order for order, captured in await almoner.orders()}
    unknown, none, other = uuid4().hex, 999_999, CHARITY_ID + 1

    no_charity = await almoner.work.rebuilding({unknown: none}).refusals()
    anothers = await almoner.work.rebuilding({orders[True]: other}).refusals()
    repeated = await almoner.work.rebuilding({orders[True]: CHARITY_ID}).refusals()
    result = await rebuild(almoner, **{unknown: other, orders[False]: CHARITY_ID})

    assert no_charity == [f"{unknown}: there is no charity {none}"]
    assert anothers == [f"{orders[True]}: it is in the books already, for charity {CHARITY_ID}"]
    assert repeated == []
    assert sorted(result.not_assigned) == sorted(
        [f"{unknown}: sandbox has no such charge", f"{orders[False]}: there is no money in it"]
    )


async def test_gifts_that_may_be_one_donors_twice_are_listed(
    almoner: Installation, donor: Donor
) -> None:
    """The same charity and amount within ten minutes; not another amount, and not much later."""
    for amount in ("50.00", "50.00", "50.00", "60.00"):
        await donor.gives(amount=amount)
    lose_everything(almoner)
    orders = "SELECT order_id FROM sandbox_charge WHERE amount_minor = 5000 ORDER BY order_id"
    tamper(
        almoner.settings.sandbox_url,
        "UPDATE sandbox_charge SET charged_at = charged_at - interval '11 minutes' "
        f"WHERE order_id = ({orders} LIMIT 1)",
    )
    await rebuild(almoner)

    kept = await all_kept(almoner.database)
    pairs = look_alikes(kept)

    far = min(charge.order_id for charge in kept if charge.money.amount_minor == 5000)
    alike = {c.order_id for c in kept if c.money.amount_minor == 5000} - {far}
    assert [{first.order_id, second.order_id} for first, second in pairs] == [alike]


async def test_charges_of_others_are_left_alone(almoner: Installation, donor: Donor) -> None:
    """The same merchant account may serve a shop."""
    tamper(
        almoner.settings.sandbox_url,
        "INSERT INTO sandbox_charge (order_id, amount_minor, currency, captured, gateway_code) "
        "VALUES ('shop-4711', 999, 'USD', true, '1000')",
    )

    result = await rebuild(almoner)

    assert (result.foreign, result.recovered, result.suspense) == (1, 0, 0)
    assert await almoner.broken() == []


async def suspense(almoner: Installation) -> int:
    """The balance of the account of what nobody has decided about."""
    found = await almoner.value(
        "SELECT coalesce(sum(amount_minor), 0) FROM ledger_entry WHERE account = 'suspense'"
    )
    return int(found)
