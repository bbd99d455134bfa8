"""The audit must be able to fail: each lie, loss and double charge is named."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.audit import Audit, compare
from chaos.donors import Crowd, Promise, Told
from support.donor import Donor
from support.installation import Installation
from support.tamper import superuser_url, tamper


class ThreeTruths:
    """One paid gift, seen from three sides."""

    def __init__(self, crowd: Crowd, database_url: str, charges: list[dict[str, Any]]) -> None:
        self.crowd, self.database_url, self.charges = crowd, database_url, charges
        self.promise = crowd.promises[0]

    def breaches(self) -> list[str]:
        """What the audit says."""
        audit: Audit = compare(self.crowd, superuser_url(self.database_url), self.charges)
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
        }
    ]
    return ThreeTruths(crowd, almoner.settings.servers.database_url, charges)


async def test_nothing_is_wrong_where_nothing_is_wrong(three: ThreeTruths) -> None:
    """Three truths that agree."""
    assert three.breaches() == []


async def test_a_lie_is_named(three: ThreeTruths) -> None:
    """Told "not charged", and charged."""
    three.promise.told[0] = Told(three.promise.told[0].donation_id, "failure", None)

    assert any("was told 'not charged' and paid" in b for b in three.breaches())


async def test_an_older_state_after_a_newer_one_is_named(three: ThreeTruths) -> None:
    """Processing after paid."""
    three.promise.told.append(Told(three.promise.told[0].donation_id, "processing", None))

    assert any("older state" in b for b in three.breaches())


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
