"""The monitor's metrics. They are read from the database, so that any process can show them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from prometheus_client import Gauge

from almoner.operations.invariants import CHECKS
from almoner.operations.monitor.alarms import NAMES
from almoner.operations.monitor.readings import Readings, Waiting

ATTEMPTS: Final = Gauge(
    "almoner_attempts_open",
    "Payment attempts that are not final, by state.",
    ["state"],
    multiprocess_mode="mostrecent",
)
ATTEMPTS_OLDEST: Final = Gauge(
    "almoner_attempts_open_oldest_seconds",
    "Age of the oldest attempt of a state that is not final.",
    ["state"],
    multiprocess_mode="mostrecent",
)
MOVES: Final = Gauge(
    "almoner_attempts_seen",
    "What attempts were seen to become in the last five minutes.",
    ["state"],
    multiprocess_mode="mostrecent",
)
QUEUE: Final = Gauge(
    "almoner_queue", "How many wait, by what waits.", ["queue"], multiprocess_mode="mostrecent"
)
QUEUE_OLDEST: Final = Gauge(
    "almoner_queue_oldest_seconds",
    "How long the oldest has waited, by what waits.",
    ["queue"],
    multiprocess_mode="mostrecent",
)
GIFTS_RECENT: Final = Gauge(
    "almoner_gifts_recent",
    "Gifts written down in the last ALMONER_ALARM_QUIET_MINUTES.",
    multiprocess_mode="mostrecent",
)
BREACHES: Final = Gauge(
    "almoner_invariant_breaches",
    "Breaches of a check that were found and not seen to be mended.",
    ["invariant"],
    multiprocess_mode="mostrecent",
)
LAST_RUN: Final = Gauge(
    "almoner_integrity_last_run_timestamp",
    "When the last look at the invariants began that could make every check, since 1970.",
    ["kind"],
    multiprocess_mode="mostrecent",
)
SKEW: Final = Gauge(
    "almoner_clock_skew_seconds",
    "How far the database's clock is ahead of ours.",
    multiprocess_mode="mostrecent",
)
ALARM: Final = Gauge(
    "almoner_alarm", "1 while an alarm is on.", ["name"], multiprocess_mode="mostrecent"
)

STATES: Final = (
    "PREPARED", "DISPATCHED", "UNKNOWN", "REQUIRES_ACTION", "AUTHORIZED", "NEEDS_REVIEW",
    "LATE_SUCCESS",
)  # fmt: skip


def show(now: Readings) -> None:
    """Set every gauge to the readings. What is not there is 0, not gone."""
    for state in STATES:
        waiting = now.attempts.get(state, Waiting())
        ATTEMPTS.labels(state).set(waiting.count)
        ATTEMPTS_OLDEST.labels(state).set(waiting.oldest_s)
    for state, count in now.moves.items():
        MOVES.labels(state).set(count)
    for name, waiting in queues(now).items():
        QUEUE.labels(name).set(waiting.count)
        QUEUE_OLDEST.labels(name).set(waiting.oldest_s)
    GIFTS_RECENT.set(now.gifts)
    broken = {finding.check: finding.breaches for finding in now.findings}
    for name in {*CHECKS, *broken}:
        BREACHES.labels(name).set(broken.get(name, 0))
    for kind, run in now.runs.items():
        if not run.failed:
            LAST_RUN.labels(kind).set(run.started_ms / 1000)
    SKEW.set(now.skew_ms / 1000)


def show_alarms(names_on: Collection[str]) -> None:
    """Set each alarm's gauge."""
    for name in NAMES:
        ALARM.labels(name).set(int(name in names_on))


def queues(now: Readings) -> dict[str, Waiting]:
    """Everything that waits to be worked off, by name."""
    return {"look_ups": now.look_ups, "events": now.events, "webhooks": now.webhooks}
