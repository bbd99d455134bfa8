"""The one place that reads the time of day and the operating system's randomness.

Both can be replaced, so that a simulation can run a week in a second and a seed can be replayed.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime


class _Sources:
    """Where time and randomness come from."""

    def __init__(self) -> None:
        self.time_ns: Callable[[], int] = time.time_ns
        self.monotonic: Callable[[], float] = time.monotonic
        self.random_bytes: Callable[[int], bytes] = os.urandom
        self.random: random.Random = random.SystemRandom()


sources = _Sources()
"""Replaced by the simulation alone."""


def now_ms() -> int:
    """Milliseconds since 1970-01-01 UTC."""
    return sources.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds of a clock that nobody sets."""
    return sources.monotonic()


def random_bytes(count: int) -> bytes:
    """Bytes that nobody can guess."""
    return sources.random_bytes(count)


def jitter() -> random.Random:
    """Random numbers, for spreading things out."""
    return sources.random


def rfc3339(at_ms: int) -> str:
    """A time as RFC 3339 in UTC with milliseconds, such as `2026-11-22T10:00:00.000Z`."""
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
