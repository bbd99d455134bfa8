"""What a look-up means for a charge in doubt."""

from __future__ import annotations

import asyncio

import pytest

from support.donor import Donor
from support.installation import Installation, Installations
from support.tamper import tamper

LOST = "fake-lost-answer-nonce"
STATE = "SELECT state FROM payment_attempt"


async def lose(almoner: Installation, donor: Donor) -> None:
    """A gift whose charge the sandbox then forgets: every look-up misses."""
    await donor.gives(payment_method_nonce=LOST)
    tamper(almoner.settings.sandbox_url, "DELETE FROM sandbox_charge")


async def test_a_miss_alone_never_means_not_charged(almoner: Installation, donor: Donor) -> None:
    """An early miss is not even counted; the attempt stays in doubt."""
    await lose(almoner, donor)

    for _ in range(5):
        await almoner.resolve_now(age_s=10)

    assert await almoner.value(STATE) == "UNKNOWN"
    assert await almoner.value("SELECT misses FROM payment_attempt") == 0
    assert await almoner.value("SELECT checks FROM payment_attempt") == 5


async def test_two_misses_late_enough_mean_not_charged(almoner: Installation, donor: Donor) -> None:
    """First at two minutes, second at fifteen: then, and only then, the donor is told so."""
    answer = await donor.gives(payment_method_nonce=LOST)
    tamper(almoner.settings.sandbox_url, "DELETE FROM sandbox_charge")

    await almoner.resolve_now(age_s=130)
    after_first = await donor.sees(answer)
    await almoner.resolve_now(age_s=800)
    after_second = await donor.sees(answer)

    assert after_first["status"] == "processing"
    assert (after_second["status"], after_second["code"]) == ("failure", "not_charged")
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 0


async def test_one_late_miss_is_not_two(almoner: Installation, donor: Donor) -> None:
    """A resolver that slept for an hour still needs its second look."""
    await lose(almoner, donor)

    await almoner.resolve_now(age_s=3600)

    assert await almoner.value(STATE) == "UNKNOWN"
    assert await almoner.value("SELECT misses FROM payment_attempt") == 1


async def test_a_hit_after_a_miss_settles(almoner: Installation, donor: Donor) -> None:
    """The gateway's index lagged: the charge appears after a counted miss, and is taken over."""
    await donor.gives(payment_method_nonce=LOST)
    sandbox = almoner.settings.sandbox_url
    tamper(sandbox, "CREATE TABLE hidden AS TABLE sandbox_charge", "DELETE FROM sandbox_charge")
    await almoner.resolve_now(age_s=130)
    tamper(
        sandbox,
        "INSERT INTO sandbox_charge OVERRIDING SYSTEM VALUE SELECT * FROM hidden",
        "DROP TABLE hidden",
    )

    await almoner.resolve_now(age_s=800)

    assert await almoner.value(STATE) == "SUBMITTED"
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 2


async def test_a_process_that_died_with_a_stamp_leaves_a_doubt_that_is_resolved(
    almoner: Installation, donor: Donor
) -> None:
    """Killed after the charge, before its outcome: DISPATCHED is looked up and booked."""
    await donor.gives()
    tamper(
        almoner.settings.servers.database_url,
        "UPDATE payment_attempt SET state = 'DISPATCHED', version = 1, observed_at = NULL, "
        "gateway_transaction_id = NULL",
        "DELETE FROM ledger_entry",
        "DELETE FROM event",
        "DELETE FROM gateway_operation",
        "UPDATE idempotency_record SET response_status = NULL, response_body = NULL",
    )

    await almoner.resolve_now()

    assert await almoner.value(STATE) == "SUBMITTED"
    assert await almoner.value("SELECT response_status FROM idempotency_record") == 201


async def test_a_stale_owner_changes_nothing(installation: Installations) -> None:
    """The resolver took the lease while the charge was still under way: the late outcome of the
    first owner is not applied twice, and its donor is told what stands in the books."""
    almoner = await installation(sandbox_latency_ms=700)
    gift = asyncio.create_task(Donor(almoner).gives())
    await almoner.until_charged()

    await almoner.resolve_now()
    answer = await gift

    assert answer.status_code == 201
    assert await almoner.value(STATE) == "SUBMITTED"
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 2
    assert await almoner.value("SELECT count(*) FROM event WHERE kind = 'donation.paid'") == 1


async def test_two_resolvers_do_not_settle_one_attempt_twice(
    almoner: Installation, donor: Donor
) -> None:
    """Twelve sweeps at once over ten attempts in doubt: each is booked once."""
    await asyncio.gather(*(donor.gives(payment_method_nonce=LOST) for _ in range(10)))
    await almoner.due_now()

    await asyncio.gather(*(almoner.work.resolver.sweep() for _ in range(12)))

    assert (
        await almoner.value("SELECT count(*) FROM payment_attempt WHERE state = 'SUBMITTED'") == 10
    )
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 20


async def test_a_charge_in_doubt_for_a_week_goes_to_people(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway cannot be asked for seven days: NEEDS_REVIEW, and nobody is told a guess."""
    answer = await donor.gives(payment_method_nonce=LOST)
    monkeypatch.setattr(almoner.work.resolver, "_gateways", {})

    await almoner.resolve_now(age_s=8 * 86_400)

    assert await almoner.value(STATE) == "NEEDS_REVIEW"
    assert (await donor.sees(answer))["status"] == "processing"
