"""The rules change after a gift was taken: its key still tells what became of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.donor import Donor
from support.installation import Installation, Installations, NewDatabase

CLOSE = "UPDATE charity SET status = 'closed', closed_by = 'staff' WHERE charity_id = 101"
CARD = {"card_number": "4111111111111111", "expiration_date": "12/30", "cvv": "123"}


async def close_charity(almoner: Installation) -> None:
    """Charity 101 takes no gifts from now on, as every process knows a moment later."""
    async with almoner.database.connection() as connection:
        await connection.execute(CLOSE)
    await almoner.forget_charities()


async def test_a_paid_gift_is_replayed_although_the_charity_closed(
    almoner: Installation, donor: Donor
) -> None:
    """The same bytes, not "this charity does not take gifts"; a new gift is refused."""
    key, email = str(uuid4()), "before@example.com"
    first = await donor.gives(key=key, email=email)
    await close_charity(almoner)

    again = await donor.gives(key=key, email=email)
    new = await donor.gives()

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (new.status_code, new.json()["errors"][0]["code"]) == (422, "closed_charity")
    assert len(await almoner.charged()) == 1


async def test_a_gift_in_doubt_stays_in_doubt_although_the_charity_closed(
    almoner: Installation, donor: Donor
) -> None:
    """202 and then 201: never "choose another charity" while the charge may have happened."""
    key, email = str(uuid4()), "doubt@example.com"
    nonce = "fake-lost-answer-nonce"
    await donor.gives(key=key, email=email, payment_method_nonce=nonce)
    await close_charity(almoner)

    waiting = await donor.gives(key=key, email=email, payment_method_nonce=nonce)
    await almoner.resolve_now()
    told = await donor.gives(key=key, email=email, payment_method_nonce=nonce)

    assert (waiting.status_code, told.status_code) == (202, 201)


async def test_other_content_under_a_used_key_is_refused_also_when_it_is_wrong(
    almoner: Installation, donor: Donor
) -> None:
    """The key belongs to another gift, whatever else is wrong with this one."""
    key = str(uuid4())
    await donor.gives(key=key, email="a@example.com")
    await close_charity(almoner)

    other = await donor.gives(key=key, email="b@example.com")
    broken = await donor.gives(key=key, email="a@example.com", amount="fifty")

    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert (broken.status_code, broken.json()["code"]) == (422, "key_reused")


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"amount_max": "40"}, {}),
        ({"amount_min": "60"}, {}),
        ({"currencies": "EUR"}, {}),
        ({}, {"payment_method_nonce": None, "payment_card": {**CARD, "expiration_date": "01/20"}}),
        ({"limits": "standard"}, {}),
    ],
)
async def test_changed_settings_do_not_change_what_happened(
    installation: Installations,
    new_database: NewDatabase,
    changed: dict[str, Any],
    fields: dict[str, Any],
) -> None:
    """Other bounds, currencies, a card that ran out, limits used up: the same bytes."""
    shared = {"database_url": new_database(), "sandbox_database_url": new_database(empty=True)}
    key, email = str(uuid4()), "before@example.com"
    first = await Donor(await installation(**shared)).gives(key=key, email=email)
    after = Donor(await installation(**shared, **changed))
    if "limits" in changed:
        for _ in range(3):
            await after.gives()

    again = await after.gives(key=key, email=email, **fields)

    assert (again.status_code, again.content) == (201, first.content)
