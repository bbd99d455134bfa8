"""Settings of the monitor and its alarms. See `settings.py`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Monitoring(Struct, frozen=True):
    """How often the integrity checks are made, and when to wake somebody up."""

    monitor_minutes: Annotated[
        int, Meta(description="Minutes between two looks at what changed.", ge=1, le=60)
    ] = 5
    monitor_night: Annotated[
        str,
        Meta(
            description="Hours (UTC) in which everything is looked at once a day. A night that "
            "was missed is made up for by day.",
            pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        ),
    ] = "02:00-05:00"
    alarm_quiet_minutes: Annotated[
        int,
        Meta(
            description="Alarm when there was no gift for so many minutes, at a time of day when "
            "there were some on at least three of the last seven days; 0 switches it off.",
            ge=0,
            le=1_440,
        ),
    ] = 60
    alarm_look_up_s: Annotated[
        int,
        Meta(
            description="Alarm when a due look-up of a charge in doubt is so late.",
            ge=10,
            le=86_400,
        ),
    ] = 300
    alarm_events_s: Annotated[
        int, Meta(description="Alarm when an event waits so long in the outbox.", ge=10, le=86_400)
    ] = 300
    alarm_webhooks_s: Annotated[
        int,
        Meta(description="Alarm when a webhook waits so long to be worked off.", ge=10, le=86_400),
    ] = 900
    alarm_review_s: Annotated[
        int, Meta(description="Alarm when a charge that people must decide waits so long.", ge=60)
    ] = 3_600
    alarm_skew_ms: Annotated[
        int,
        Meta(description="Alarm when the database's clock differs by so much from ours.", ge=100),
    ] = 2_000
