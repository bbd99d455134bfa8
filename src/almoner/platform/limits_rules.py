"""What a limit is, and what is counted under it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Rule(Struct, frozen=True):
    """`count` requests in `window_s` seconds, which may come all at once.

    A rule that is `shown` concerns the caller alone, so that telling how much is left of it tells
    nothing of others.
    """

    name: str
    count: int
    window_s: int
    shown: bool = False

    @property
    def interval_ms(self) -> float:
        """Time that one request uses up."""
        return self.window_s * 1000 / self.count

    def left(self, used_ms: float) -> int:
        """What is left when so much time is used up."""
        return max(0, int((self.count * self.interval_ms - used_ms) / self.interval_ms + 1e-6))


class Count(Struct, frozen=True):
    """A request counts under this rule as one of `who`'s."""

    rule: Rule
    who: str


class FailureRule(Struct, frozen=True):
    """`count` failures in `window_s` seconds, and nothing more is taken for `pause_s`."""

    name: str
    count: int
    window_s: int
    pause_s: int


class Asked(Struct, frozen=True):
    """One request of `who`. One that has a name counts once, however often it comes."""

    who: str
    name: str | None
    counted: bool
    counts: Sequence[Count]
    again: Rule
