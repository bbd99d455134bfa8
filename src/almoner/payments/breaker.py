"""A circuit breaker: stop asking whoever is ill, and ask a little from time to time.

Ours instead of a library's, because it must run on `platform/clock.py` (a simulation drives it)
and because what counts as ill is an observation, not an exception
(`docs/decisions/0019-gateway-calls.md`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import structlog
from msgspec import Struct

from almoner.platform.clock import jitter, monotonic_s
from almoner.platform.metrics import BREAKER_STATE

log = structlog.get_logger(__name__)

_BUCKETS: Final = 10
_OPEN_GROWS_TO: Final = 12
"""An ill gateway is tried less and less often, down to a twelfth."""


class BreakerState(IntEnum):
    """The number is what the metric shows."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class BreakerRules(Struct, frozen=True):
    """When to open: `ill_percent` of at least `calls_min` calls of the last `window_s` seconds.

    It stays open for `open_s`, longer each time, then lets `probes_max` through at once and closes
    after `probes_good` good ones. One ill probe opens it again.
    """

    calls_min: int = 20
    ill_percent: int = 50
    window_s: float = 30.0
    open_s: float = 5.0
    probes_max: int = 2
    probes_good: int = 3


class Breaker:
    """One for each gateway and operation, in each process."""

    def __init__(self, gateway: str, operation: str, rules: BreakerRules) -> None:
        self._names = {"gateway": gateway, "operation": operation}
        self._rules = rules
        self._metric = BREAKER_STATE.labels(gateway, operation)
        self._state = BreakerState.CLOSED
        self._generation = 0
        self._calls = [0] * _BUCKETS
        self._ills = [0] * _BUCKETS
        self._periods = [-1] * _BUCKETS
        self._until_s = 0.0
        self._openings = 0
        self._probes = 0
        self._good = 0

    @property
    def state(self) -> BreakerState:
        """As it stands; an open one whose time is over is half open."""
        if self._state is BreakerState.OPEN and monotonic_s() >= self._until_s:
            self._become(BreakerState.HALF_OPEN)
        return self._state

    @property
    def refuses(self) -> bool:
        """Whether a call would be turned away now."""
        state = self.state
        if state is BreakerState.HALF_OPEN:
            return self._probes >= self._rules.probes_max
        return state is BreakerState.OPEN

    def admit(self) -> int | None:
        """A ticket for one call, to be given back by `done` or `forget`; None is no."""
        if self.refuses:
            return None
        if self._state is BreakerState.HALF_OPEN:
            self._probes += 1
        return self._generation

    def done(self, ticket: int, *, ill: bool) -> None:
        """The call has ended. One that was let through before the last change says nothing."""
        if ticket != self._generation:
            return
        if self._state is BreakerState.HALF_OPEN:
            self._probed(ill=ill)
        else:
            self._count(ill=ill)

    def forget(self, ticket: int) -> None:
        """The call was given up before it could tell anything."""
        if ticket == self._generation and self._state is BreakerState.HALF_OPEN:
            self._probes -= 1

    def _probed(self, *, ill: bool) -> None:
        self._probes -= 1
        if ill:
            self._open()
            return
        self._good += 1
        if self._good >= self._rules.probes_good:
            self._openings = 0
            self._become(BreakerState.CLOSED)

    def _count(self, *, ill: bool) -> None:
        period = int(monotonic_s() * _BUCKETS / self._rules.window_s)
        slot = period % _BUCKETS
        if self._periods[slot] != period:
            self._periods[slot], self._calls[slot], self._ills[slot] = period, 0, 0
        self._calls[slot] += 1
        if not ill:
            return
        self._ills[slot] += 1
        fresh = [n for n in range(_BUCKETS) if self._periods[n] > period - _BUCKETS]
        calls = sum(self._calls[n] for n in fresh)
        ills = sum(self._ills[n] for n in fresh)
        if calls >= self._rules.calls_min and ills * 100 >= calls * self._rules.ill_percent:
            self._open()

    def _open(self) -> None:
        factor = min(2**self._openings, _OPEN_GROWS_TO)
        self._openings = min(self._openings + 1, _OPEN_GROWS_TO)
        # Spread out, so that many processes do not probe in the same instant.
        self._until_s = monotonic_s() + self._rules.open_s * factor * jitter().uniform(1.0, 1.25)
        self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        self._state = state
        self._generation += 1
        self._probes = self._good = 0
        self._periods = [-1] * _BUCKETS
        self._metric.set(state)
        tell = log.warning if state is BreakerState.OPEN else log.info
        tell("breaker_changed", state=state.name.lower(), **self._names)
