"""Every alarm can be raised, is told once, and goes off again."""

from __future__ import annotations

import pytest
import structlog
from msgspec import structs

from almoner.operations.monitor.alarms import ALARMS, DATABASE_AWAY, Limits, is_late, raised
from almoner.operations.monitor.gauges import ALARM
from almoner.operations.monitor.readings import Beat, OpenFinding, Readings, RunSummary, Waiting
from almoner.operations.monitor.watch import Watch
from almoner.platform.db import Database
from support.donor import Donor
from support.installation import Installation, Installations
from support.proxy import Wire
from support.tamper import tamper

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
LIMITS = Limits(
    monitor_minutes=5, quiet_minutes=60, look_up_s=300, dispatched_s=365, events_s=300,
    webhooks_s=900, review_s=3600, skew_ms=2000,
)  # fmt: skip
WELL = Readings(
    at_ms=NOW_MS,
    skew_ms=3,
    database_up_s=1e6,
    server_version="18",
    database_bytes=1,
    attempts={"DISPATCHED": Waiting(3, 10.0)},
    moves={"SUBMITTED": 30},
    look_ups=Waiting(2, 1.0),
    events=Waiting(5, 0.4),
    webhooks=Waiting(),
    gifts=12,
    gifts_minutes=60,
    usual_days=0,
    runs={
        "changed": RunSummary("changed", NOW_MS - 60_000, NOW_MS - 50_000, 20, 0, []),
        "full": RunSummary("full", NOW_MS - 9 * HOUR_MS, NOW_MS - 8 * HOUR_MS, 22, 0, []),
    },
    findings=[],
    beats=[Beat("resolver", "worker", 300, 1.0, 1.0, 5.0, 0)],
)

RAISED_BY: dict[str, dict[str, object]] = {
    "invariant_broken": {
        "findings": [OpenFinding("captured_once", 1, "", 2, ["x"], NOW_MS, NOW_MS)]
    },
    "monitor_stopped": {
        "runs": {"changed": RunSummary("changed", NOW_MS - HOUR_MS, NOW_MS, 20, 0, [])}
    },
    "full_look_missing": {
        "runs": {
            **WELL.runs,
            "full": RunSummary("full", NOW_MS - 51 * HOUR_MS, NOW_MS, 22, 0, []),
        }
    },
    "no_gifts": {"gifts": 0, "usual_days": 3},
    "look_ups_late": {"look_ups": Waiting(1, 301.0)},
    "dispatched_long": {"attempts": {"DISPATCHED": Waiting(1, 400.0)}},
    "events_waiting": {"events": Waiting(1, 301.0)},
    "webhooks_waiting": {"webhooks": Waiting(1, 901.0)},
    "review_waiting": {"attempts": {"NEEDS_REVIEW": Waiting(1, 3601.0)}},
    "loop_stopped": {"beats": [Beat("relay", "worker", 300, 301.0, 301.0, 301.0, 0)]},
    "clock_skewed": {"skew_ms": -2001},
}


def test_when_all_is_well_nothing_is_raised() -> None:
    """Work that waits a moment is no alarm."""
    assert raised(WELL, LIMITS) == {}


def test_every_alarm_is_tried_here() -> None:
    """A new alarm must come with what raises it."""
    assert set(RAISED_BY) == {alarm.name for alarm in ALARMS}


@pytest.mark.parametrize("name", RAISED_BY)
def test_each_is_raised_by_what_it_watches_alone(name: str) -> None:
    """And says why, with figures."""
    on = raised(structs.replace(WELL, **RAISED_BY[name]), LIMITS)

    assert set(on) == {name}
    assert on[name]


@pytest.mark.parametrize(
    "changes",
    [
        {"gifts": 0, "usual_days": 2},
        {"look_ups": Waiting(9, 299.0)},
        {"skew_ms": 1999},
        {"runs": {}, "gifts": 0},
    ],
)
def test_just_inside_the_limits_is_no_alarm(changes: dict[str, object]) -> None:
    """Also a new installation, which nobody has given to or looked at."""
    assert raised(structs.replace(WELL, **changes), LIMITS) == {}


@pytest.mark.parametrize(
    ("began_s", "ended_s", "failures", "late"),
    [
        (1.0, 2.0, 0, False),
        (299.0, 9_000.0, 0, False),
        (301.0, 400.0, 0, True),
        (1.0, 301.0, 3, True),
        (1.0, 20.0, 3, False),
        (1.0, None, 1, False),
        (1.0, None, 9, True),
    ],
)
def test_a_loop_is_late(began_s: float, ended_s: float | None, failures: int, late: bool) -> None:
    """When a step does not begin or end, or does nothing but fail."""
    assert is_late(Beat("relay", "worker", 300, began_s, ended_s, 1.0, failures)) is late


async def test_what_is_read_is_what_there_is(almoner: Installation, donor: Donor) -> None:
    """A paid gift, one in doubt, and an event that nobody has told."""
    await donor.gives()
    await donor.gives(payment_method_nonce="fake-lost-answer-nonce")
    await almoner.due_now(age_s=600)

    now = await almoner.work.monitoring.watch.look()

    assert now is not None
    assert now.gifts == 2
    assert now.attempts["UNKNOWN"].count == 1
    assert now.attempts["UNKNOWN"].oldest_s > 599
    assert now.look_ups.count == 1
    assert now.events.count >= 1
    assert now.moves == {"SUBMITTED": 1, "UNKNOWN": 1}
    assert abs(now.skew_ms) < 1000


async def test_quiet_hours_are_compared_with_other_days(
    almoner: Installation, donor: Donor
) -> None:
    """Gifts at this time of day on four of the last seven days, and none now."""
    for _ in range(4):
        await donor.gives()
    tamper(
        almoner.settings.servers.database_url,
        "UPDATE donation SET created_at = now() - make_interval(days => n::int, mins => 5) FROM "
        "(SELECT donation_id AS id, row_number() OVER () AS n FROM donation) AS numbered "
        "WHERE id = donation_id",
    )

    now = await almoner.work.monitoring.watch.look()

    assert now is not None
    assert (now.gifts, now.usual_days) == (0, 4)
    assert "no_gifts" in raised(now, LIMITS)


async def test_an_alarm_is_told_once_and_its_end_too(almoner: Installation, donor: Donor) -> None:
    """In the log of the worker, and as a metric for as long as it is on."""
    await donor.gives()
    url = almoner.settings.servers.database_url
    tamper(url, "UPDATE event SET occurred_at = now() - interval '1 hour'")
    watch = Watch(almoner.database, LIMITS, loud=True)

    with structlog.testing.capture_logs() as said:
        await watch.look()
        await watch.look()
        on = ALARM.labels("events_waiting")._value.get()
        tamper(url, "UPDATE event SET published_at = now()")
        await watch.look()

    assert on == 1
    assert ALARM.labels("events_waiting")._value.get() == 0
    # On a server that has been up for long, another alarm rightly says that nobody monitors.
    told = [line["event"] for line in said if line.get("name") == "events_waiting"]
    assert told == ["alarm", "alarm_over"]


async def test_a_database_that_is_away_is_an_alarm(wire: Wire, installation: Installations) -> None:
    """There is nothing to read, and that is what is told."""
    almoner = await installation(database_url=wire.url)
    database = Database(wire.url, size=1, wait_ms=200)
    await database.open()
    watch = Watch(database, LIMITS, loud=True)
    wire.cut()

    assert await watch.look() is None

    assert ALARM.labels(DATABASE_AWAY)._value.get() == 1
    wire.mend()
    await database.close()
    await almoner.work.monitoring.watch.look()
    assert ALARM.labels(DATABASE_AWAY)._value.get() == 0


async def test_metrics_of_a_web_process_show_what_the_database_says(
    almoner: Installation, donor: Donor
) -> None:
    """Also while no worker lives: a dead worker must not take the alarms with it."""
    await donor.gives(payment_method_nonce="fake-lost-answer-nonce")

    told = (await almoner.client.get("/metrics")).text

    assert 'almoner_attempts_open{state="UNKNOWN"} 1.0' in told
    assert 'almoner_alarm{name="database_away"} 0.0' in told
    assert 'almoner_invariant_breaches{invariant="captured_once"} 0.0' in told
