"""What a look-up means for a charge in doubt."""

from __future__ import annotations

import asyncio

import pytest

from almoner.payments.gateway import Observation, Seen
from almoner.payments.judge import judge
from almoner.payments.record import current
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

    async def away(order_id: str) -> Observation:
        return Observation(Seen.UNKNOWN, gateway_code="reset")

    monkeypatch.setattr(almoner.work.gateway, "look_up", away)

    await almoner.resolve_now(age_s=8 * 86_400)

    assert await almoner.value(STATE) == "NEEDS_REVIEW"
    assert (await donor.sees(answer))["status"] == "processing"


async def test_a_read_makes_a_charge_in_doubt_be_looked_up(
    almoner: Installation, donor: Donor
) -> None:
    """The next look is hours away, and somebody watches: it is due within a moment."""
    answer = await donor.gives(payment_method_nonce=LOST)
    await between_looks(almoner)

    seen = await donor.sees(answer)
    await until_due(almoner)
    await almoner.work.resolver.sweep()

    assert seen["status"] == "processing"
    assert (await donor.sees(answer))["status"] == "success"


async def test_reading_again_and_again_does_not_ask_the_gateway_as_often(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty reads in the seconds after a look make no further look."""
    answer = await donor.gives(payment_method_nonce=LOST)
    asked: list[str] = []

    async def away(order_id: str) -> Observation:
        asked.append(order_id)
        return Observation(Seen.UNKNOWN, gateway_code="reset")

    monkeypatch.setattr(almoner.work.gateway, "look_up", away)
    await between_looks(almoner)
    await donor.sees(answer)
    await until_due(almoner)
    await almoner.work.resolver.sweep()
    version = await almoner.value("SELECT version FROM payment_attempt")

    for _ in range(50):
        await donor.sees(answer)
        await almoner.work.resolver.sweep()

    assert len(asked) == 1
    assert await almoner.value("SELECT version FROM payment_attempt") == version


async def test_a_read_of_an_old_doubt_asks_less_often(almoner: Installation, donor: Donor) -> None:
    """Of a charge of two days, a look an hour ago is recent; of one of ten minutes it is not."""
    answer = await donor.gives(payment_method_nonce=LOST)
    url = almoner.settings.servers.database_url
    await between_looks(almoner, age="2 days", looked="1 hour")
    await donor.sees(answer)
    await asyncio.sleep(0.6)
    assert await almoner.value(DUE) is False

    tamper(url, "UPDATE payment_attempt SET dispatched_at = now() - interval '70 minutes'")
    await donor.sees(answer)
    await until_due(almoner)


async def test_a_read_leaves_a_charge_under_way_alone(installation: Installations) -> None:
    """The call has not ended: nobody takes the attempt out of its hands because somebody reads."""
    almoner = await installation(sandbox_latency_ms=1_500, donor_wait_ms=100)
    donor = Donor(almoner)
    answer = await donor.gives()
    before = await almoner.value("SELECT next_check_at FROM payment_attempt")

    assert (await donor.sees(answer))["status"] == "processing"
    await asyncio.sleep(0.6)

    assert await almoner.value("SELECT next_check_at FROM payment_attempt") == before
    await almoner.until_idle()


async def test_making_it_due_does_not_disturb_who_is_looking(
    almoner: Installation, donor: Donor
) -> None:
    """A nudge in the middle of a look: what was seen is written down all the same."""
    await donor.gives(payment_method_nonce=LOST)
    url, original = almoner.settings.servers.database_url, almoner.work.gateway.look_up

    async def nudged(order_id: str) -> Observation | None:
        tamper(url, "UPDATE payment_attempt SET next_check_at = now()")
        return await original(order_id)

    almoner.work.gateway.look_up = nudged  # type: ignore[method-assign]
    await almoner.due_now()
    await almoner.work.resolver.sweep()

    assert await almoner.value(STATE) == "SUBMITTED"


async def test_while_the_breaker_is_open_nobody_loses_a_turn(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that would not be asked is not asked: no look is counted, nothing is put off."""
    await donor.gives(payment_method_nonce=LOST)
    await almoner.due_now()
    looking = almoner.work.resolver._looking
    monkeypatch.setattr(looking, "refusing", lambda: ["sandbox"])

    assert await almoner.work.resolver.sweep() == 0

    assert await almoner.value("SELECT checks FROM payment_attempt") == 0
    monkeypatch.undo()
    assert await almoner.work.resolver.sweep() == 1
    assert await almoner.value(STATE) == "SUBMITTED"


async def test_a_look_that_was_refused_is_no_look(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The breaker opens in between: soon again, neither checked nor missed, though hours old."""
    await donor.gives(payment_method_nonce=LOST)

    async def refused(gateway: str, order_id: str) -> Observation:
        return Observation(Seen.UNKNOWN, gateway_code="breaker_open")

    monkeypatch.setattr(almoner.work.resolver._looking, "look_up", refused)
    await almoner.due_now(age_s=7_200)
    await almoner.work.resolver.sweep()

    wait = "SELECT extract(epoch FROM next_check_at - now())::int FROM payment_attempt"
    assert 20 <= await almoner.value(wait) <= 60
    assert await almoner.value("SELECT checks + misses FROM payment_attempt") == 0


async def test_an_outage_counts_no_misses(
    almoner: Installation, donor: Donor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it could not be asked, one miss afterwards is only the first."""
    await donor.gives(payment_method_nonce=LOST)

    async def away(order_id: str) -> Observation:
        return Observation(Seen.UNKNOWN, gateway_code="reset")

    with monkeypatch.context() as outage:
        outage.setattr(almoner.work.gateway, "look_up", away)
        for _ in range(3):
            await almoner.resolve_now(age_s=1_000)
    tamper(almoner.settings.sandbox_url, "DELETE FROM sandbox_charge")
    await almoner.resolve_now()

    assert await almoner.value(STATE) == "UNKNOWN"
    assert await almoner.value("SELECT misses FROM payment_attempt") == 1


async def test_an_attempt_that_was_never_stamped_is_abandoned(
    almoner: Installation, donor: Donor
) -> None:
    """Written down, and whoever was to send it died: after ten minutes it is given up, and told."""
    answer = await donor.gives(payment_method_nonce="fake-processor-declined-visa-nonce")
    url = almoner.settings.servers.database_url
    tamper(
        url,
        "UPDATE payment_attempt SET state = 'PREPARED', version = 1, dispatched_at = NULL, "
        "observed_at = NULL, next_check_at = NULL, gateway_transaction_id = NULL",
        "DELETE FROM gateway_operation",
        "DELETE FROM event",
        "UPDATE idempotency_record SET response_status = NULL, response_body = NULL",
    )

    assert await almoner.work.abandoning.sweep() == 0
    assert (await donor.sees(answer))["status"] == "pending"
    tamper(url, "UPDATE payment_attempt SET next_check_at = now()")
    assert await almoner.work.abandoning.sweep() == 1

    assert await almoner.value(STATE) == "ABANDONED"
    assert (await donor.sees(answer))["code"] == "not_charged"
    assert await almoner.value("SELECT response_status FROM idempotency_record") == 402


async def test_two_outcomes_for_one_attempt_in_one_batch_are_not_both_booked(
    almoner: Installation, donor: Donor
) -> None:
    """Paid and declined at once, of the same version: the first counts, the other changes nothing
    and is answered as the attempt then is."""
    answer = await donor.gives(payment_method_nonce=LOST)
    row = (await almoner.database.fetch_one("SELECT attempt_id FROM payment_attempt")) or {}
    async with almoner.database.connection() as connection:
        attempt = (await current(connection, [row["attempt_id"]]))[row["attempt_id"]]
    rules = almoner.work.resolver._misses
    paid = judge(attempt, Observation(Seen.SUBMITTED, "sb00000001"), rules, 0).outcomes[0]
    declined = judge(attempt, Observation(Seen.DECLINED, None, "card_declined"), rules, 0)

    told = await asyncio.gather(
        almoner.work.settling.settle(attempt, paid),
        almoner.work.settling.settle(attempt, declined.outcomes[0]),
    )

    assert [each.status for each in told] == [201, 201]
    assert await almoner.value("SELECT count(*) FROM ledger_entry") == 2
    assert (await donor.sees(answer))["status"] == "success"


DUE = "SELECT next_check_at <= now() FROM payment_attempt"


async def between_looks(
    almoner: Installation, *, age: str = "3 hours", looked: str = "2 hours"
) -> None:
    """As if the charge were so old, looked at so long ago, and not due for hours."""
    tamper(
        almoner.settings.servers.database_url,
        f"UPDATE payment_attempt SET dispatched_at = now() - interval '{age}', "
        f"looked_at = now() - interval '{looked}', next_check_at = now() + interval '3 hours'",
    )


async def until_due(almoner: Installation) -> None:
    """Wait until the only attempt is due."""
    async with asyncio.timeout(10):
        while not await almoner.value(DUE):  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)
