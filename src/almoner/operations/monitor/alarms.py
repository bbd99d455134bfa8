"""The alarms: what wakes somebody up, each with the sentence that says why. A closed table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from almoner.operations.monitor.readings import Beat, Readings, Waiting

USUAL_DAYS_MIN: Final = 3
FAILURES_MAX: Final = 5


class Limits(Struct, frozen=True):
    """From where on a reading is an alarm."""

    monitor_minutes: int
    quiet_minutes: int
    look_up_s: int
    dispatched_s: int
    events_s: int
    webhooks_s: int
    review_s: int
    skew_ms: int


class Alarm(Struct, frozen=True):
    """A name for machines, what it means, and what of the readings raises it.

    `why` gives a sentence with the figures, or None while all is well.
    """

    name: str
    meaning: str
    why: Callable[[Readings, Limits], str | None]


def _invariant_broken(now: Readings, limits: Limits) -> str | None:
    del limits
    if not now.findings:
        return None
    return "broken: " + ", ".join(f"{f.check} ({f.breaches})" for f in now.findings)


def _monitor_stopped(now: Readings, limits: Limits) -> str | None:
    last = now.runs.get("changed")
    if last is None:
        grown_up = now.database_up_s > 3 * limits.monitor_minutes * 60
        return "gifts come in and nobody has ever looked" if now.gifts and grown_up else None
    if last.failed:
        return "the last look could not make: " + ", ".join(last.failed)
    age_minutes = (now.at_ms + now.skew_ms - last.started_ms) / 60_000
    return _over(age_minutes, 3 * limits.monitor_minutes + 1, "min since the last look")


def _full_look_missing(now: Readings, limits: Limits) -> str | None:
    del limits
    full = now.runs.get("full")
    if full is None or not full.failed:
        age_ms = 0 if full is None else now.at_ms + now.skew_ms - full.started_ms
        return _over(age_ms / 3_600_000, 50, "h since the last full look")
    return "the last full look could not make: " + ", ".join(full.failed)


def _no_gifts(now: Readings, limits: Limits) -> str | None:
    if not limits.quiet_minutes or now.gifts or now.usual_days < USUAL_DAYS_MIN:
        return None
    return (
        f"no gift in {now.gifts_minutes} min, with some at this time on "
        f"{now.usual_days} of the last 7 days"
    )


def _look_ups_late(now: Readings, limits: Limits) -> str | None:
    return _too_old(now.look_ups, limits.look_up_s, "look-ups are due")


def _dispatched_long(now: Readings, limits: Limits) -> str | None:
    waiting = now.attempts.get("DISPATCHED", Waiting())
    return _too_old(waiting, limits.dispatched_s, "charges were sent and have no outcome")


def _events_waiting(now: Readings, limits: Limits) -> str | None:
    return _too_old(now.events, limits.events_s, "events wait in the outbox")


def _webhooks_waiting(now: Readings, limits: Limits) -> str | None:
    return _too_old(now.webhooks, limits.webhooks_s, "webhooks wait")


def _review_waiting(now: Readings, limits: Limits) -> str | None:
    waiting = now.attempts.get("NEEDS_REVIEW", Waiting())
    return _too_old(waiting, limits.review_s, "charges wait for people to decide")


def _loop_stopped(now: Readings, limits: Limits) -> str | None:
    del limits
    late = [beat.loop for beat in now.beats if is_late(beat)]
    return "have not run: " + ", ".join(late) if late else None


def _clock_skewed(now: Readings, limits: Limits) -> str | None:
    if abs(now.skew_ms) <= limits.skew_ms:
        return None
    return f"the database's clock is {now.skew_ms / 1000:+.1f} s from ours"


ALARMS: Final = (
    Alarm("invariant_broken", "A promise about money does not hold.", _invariant_broken),
    Alarm("monitor_stopped", "Nobody looks at the invariants any more.", _monitor_stopped),
    Alarm("full_look_missing", "Nobody has looked at everything for two days.",
          _full_look_missing),
    Alarm("no_gifts", "No gifts at a time when there are some on other days.", _no_gifts),
    Alarm("look_ups_late", "Charges in doubt are not looked up in time.", _look_ups_late),
    Alarm("dispatched_long", "Charges were sent long ago and have no outcome yet.",
          _dispatched_long),
    Alarm("events_waiting", "Nobody is told of what happened.", _events_waiting),
    Alarm("webhooks_waiting", "What gateways tell us is not worked off.", _webhooks_waiting),
    Alarm("review_waiting", "Charges that only people can decide wait for them.",
          _review_waiting),
    Alarm("loop_stopped", "A loop of a worker does not run any more.", _loop_stopped),
    Alarm("clock_skewed", "Two clocks disagree, so times are not to be trusted.", _clock_skewed),
)  # fmt: skip

DATABASE_AWAY: Final = "database_away"
"""The one alarm that needs no reading: there is none."""

NAMES: Final = (*(alarm.name for alarm in ALARMS), DATABASE_AWAY)


def raised(now: Readings, limits: Limits) -> dict[str, str]:
    """The alarms that are on, each with why."""
    found = ((alarm.name, alarm.why(now, limits)) for alarm in ALARMS)
    return {name: why for name, why in found if why is not None}


def is_late(beat: Beat) -> bool:
    """Whether a loop's next step should have begun or ended long ago, or it only fails."""
    if beat.began_age_s > beat.late_after_s:
        return True
    if beat.ended_age_s is None:
        return beat.failures_in_a_row >= FAILURES_MAX
    return beat.failures_in_a_row > 0 and beat.ended_age_s > beat.late_after_s


def _too_old(waiting: Waiting, seconds: int, what: str) -> str | None:
    if waiting.oldest_s <= seconds:
        return None
    return f"{waiting.count} {what}, the oldest for {waiting.oldest_s:.0f} s"


def _over(value: float, limit: float, what: str) -> str | None:
    return f"{value:.0f} {what}" if value > limit else None
