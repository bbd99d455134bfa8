"""The monitor looks by itself, remembers what it found, and only one looks at a time."""

from __future__ import annotations

from datetime import time

import pytest

from almoner.operations.monitor import queries
from almoner.operations.monitor.run import Monitor, Rhythm
from almoner.platform.clock import now_ms
from almoner.platform.db import Database, DatabaseAway
from support.donor import Donor
from support.installation import Installation, Installations
from support.proxy import Wire
from support.tamper import tamper

NEVER = Rhythm(5, time(2, 0), time(2, 0))


@pytest.fixture
async def monitor(almoner: Installation) -> Monitor:
    """A monitor that has not looked yet."""
    return almoner.work.monitoring.monitor


async def test_a_new_installation_is_looked_at_at_once(
    almoner: Installation, monitor: Monitor
) -> None:
    """What changed and everything; then there is nothing to do until it is time again."""
    for _ in range(3):
        await monitor.step()
        await monitor.step_full()

    runs = await queries.last_runs(almoner.database)
    assert {kind: run.broken for kind, run in runs.items()} == {"changed": 0, "full": 0}
    assert await almoner.value("SELECT count(*) FROM integrity_run") == 2


async def test_a_breach_is_remembered_until_it_is_mended(
    almoner: Installation, monitor: Monitor, donor: Donor
) -> None:
    """It is stored once, seen again, and closed by the look that finds it mended."""
    await donor.gives()
    url = almoner.settings.servers.database_url
    tamper(url, "UPDATE payment_attempt SET amount_minor = amount_minor + 1")

    await monitor.look("changed")
    await monitor.look("changed")

    (found,) = [
        finding
        for finding in await queries.open_findings(almoner.database)
        if finding.check == "attempt_for_same_sum"
    ]
    assert found.breaches == 1
    assert found.last_seen_ms > found.first_seen_ms
    tamper(url, "UPDATE payment_attempt SET amount_minor = amount_minor - 1")
    await monitor.look("changed")
    assert await queries.open_findings(almoner.database) == []


async def test_what_a_full_look_found_is_not_forgotten_by_a_short_one(
    almoner: Installation, monitor: Monitor, donor: Donor
) -> None:
    """A look at what changed does not come across an old breach, which proves nothing."""
    await donor.gives()
    tamper(
        almoner.settings.servers.database_url,
        "UPDATE donation SET created_at = created_at - interval '2 days'",
        "UPDATE idempotency_record SET created_at = created_at - interval '2 days'",
        "DELETE FROM gateway_operation",
        "DELETE FROM event",
    )
    await monitor.look("full")

    await monitor.look("changed")

    findings = await queries.open_findings(almoner.database)
    almoner.expected_broken = [finding.check for finding in findings]
    assert "paid_is_told" in almoner.expected_broken
    assert (await queries.last_runs(almoner.database))["changed"].broken == 0


async def test_one_worker_looks_at_a_time(almoner: Installation, monitor: Monitor) -> None:
    """While one looks, another does not; one that died is not waited for beyond its lease."""
    async with almoner.database.connection() as connection:
        assert await queries.begin_run(connection, "full", None, lease_ms=60_000)

    assert await monitor.look("full") is None
    async with almoner.database.connection() as connection:
        await connection.execute("UPDATE integrity_run SET lease_until = now() - interval '1 s'")

    assert await monitor.look("full") is not None
    assert (await queries.last_runs(almoner.database))["full"].failed == []


async def test_what_a_look_found_whose_lease_was_lost_is_dropped(
    almoner: Installation, donor: Donor
) -> None:
    """Whoever took over has looked later and knows better."""
    await donor.gives()
    async with almoner.database.connection() as connection:
        late = await queries.begin_run(connection, "changed", now_ms(), lease_ms=-1)
        assert late is not None
        await queries.begin_run(connection, "changed", now_ms(), lease_ms=60_000)

        assert not await queries.keep_run(connection, late, 60_000)
        await queries.end_run(connection, late, [], [])

    assert await almoner.value("SELECT count(*) FROM integrity_run WHERE failed <> '{}'") == 1


async def test_a_database_that_comes_back_is_looked_at_at_once(
    wire: Wire, installation: Installations
) -> None:
    """After a failover nobody waits for the next minute that is due."""
    almoner = await installation(database_url=wire.url)
    monitor = almoner.work.monitoring.monitor
    await monitor.step()
    wire.cut()
    with pytest.raises(DatabaseAway):
        await monitor.step()
    wire.mend()

    await monitor.step()

    assert await almoner.value("SELECT count(*) FROM integrity_run") == 2


async def test_a_check_that_cannot_be_made_does_not_hide_the_others(
    almoner: Installation, donor: Donor
) -> None:
    """It is named as failed; what the others found is stored, and the look is made again."""
    await donor.gives()
    quick = Database(almoner.settings.servers.database_url, size=2)
    await quick.open()
    monitor = Monitor(quick, quick, almoner.work.gateway, NEVER)
    tamper(almoner.settings.servers.database_url, "ALTER TABLE event RENAME TO elsewhere")

    found = await monitor.look("changed")
    await quick.close()

    run = (await queries.last_runs(almoner.database))["changed"]
    assert run.failed == ["ToldIsTrue", "EachEventTold"]  # both read events
    assert found
    assert len(found) > 10
    assert await queries.last_started_ms(almoner.database, "changed") is None
    tamper(almoner.settings.servers.database_url, "ALTER TABLE elsewhere RENAME TO event")


def test_the_night_may_go_past_midnight() -> None:
    """From ten in the evening until two."""
    rhythm = Rhythm(5, time(22, 0), time(2, 0))
    hour_ms = 3_600_000

    nights = [hour for hour in range(24) if rhythm.is_night(hour * hour_ms)]

    assert nights == [0, 1, 22, 23]
