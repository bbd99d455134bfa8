"""Back-off: pauses that grow and never fall into step with those of others."""

from __future__ import annotations

from almoner.platform.clock import jitter


class Backoff:
    """Decorrelated jitter: each pause is drawn between the least and three times the last one.

    See "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
    """

    def __init__(self, *, least_s: float = 0.5, most_s: float = 20.0) -> None:
        self._least_s = least_s
        self._most_s = most_s
        self._last_s = least_s

    def next_s(self) -> float:
        """The next pause in seconds."""
        self._last_s = min(self._most_s, jitter().uniform(self._least_s, self._last_s * 3))
        return self._last_s
