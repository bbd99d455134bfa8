"""What the monitor reads about the running installation, in statements that stay cheap."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

COUNT_MAX: Final = 10_000
"""Nothing is counted further than this: a long queue must not be made worse by counting it."""

MOVES_MINUTES: Final = 5


class Waiting(Struct, frozen=True):
    """How many wait, at most `COUNT_MAX + 1`, and for how long the oldest does, in seconds."""

    count: int = 0
    oldest_s: float = 0.0


class RunSummary(Struct, frozen=True):
    """The last run of a kind that ended. Times are milliseconds since 1970."""

    kind: str
    started_ms: int
    finished_ms: int
    checks: int
    broken: int
    failed: list[str]


class OpenFinding(Struct, frozen=True):
    """A breach that was found and not seen to be mended yet."""

    check: str
    number: int
    sentence: str
    breaches: int
    examples: list[str]
    first_seen_ms: int
    last_seen_ms: int


class Beat(Struct, frozen=True):
    """The freshest that is known of a loop, whichever process runs it."""

    loop: str
    role: str
    late_after_s: int
    began_age_s: float
    ended_age_s: float | None
    beat_age_s: float
    failures_in_a_row: int


class Readings(Struct, frozen=True):
    """One look at everything that an operator asks about at night. Ages are seconds.

    `skew_ms`: how far the database's clock is ahead of this process's. `attempts` are those that
    are not final, by state; `moves` what attempts were seen to become in the last five minutes.
    `usual_days`: on how many of the last seven days there were gifts in
    these minutes of the day; only asked when there are none now.
    """

    at_ms: int
    skew_ms: int
    database_up_s: float
    server_version: str
    database_bytes: int
    attempts: dict[str, Waiting]
    moves: dict[str, int]
    look_ups: Waiting
    events: Waiting
    webhooks: Waiting
    gifts: int
    gifts_minutes: int
    usual_days: int
    runs: dict[str, RunSummary]
    findings: list[OpenFinding]
    beats: list[Beat]
