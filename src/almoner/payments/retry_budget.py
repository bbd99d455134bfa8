"""A retry budget: retries may add so much to the load, and no more.

Without one, an outage multiplies the calls just when the gateway can bear them least.
"""

from __future__ import annotations


class RetryBudget:
    """A bucket of tokens: a call puts `share` of one in, a retry takes one out.

    It holds `most` at most and begins full, so that a small installation may retry too.
    """

    def __init__(self, *, share: float = 0.1, most: float = 10.0) -> None:
        self._share = share
        self._most = most
        self._tokens = most

    def earn(self) -> None:
        """A call was made for the first time."""
        self._tokens = min(self._most, self._tokens + self._share)

    def spend(self) -> bool:
        """Whether there is a token for one retry; it is taken."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
