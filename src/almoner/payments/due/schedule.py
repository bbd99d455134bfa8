"""When a gateway is asked about an attempt: one schedule for doubt, one for a final no."""

from __future__ import annotations

from typing import Final

from almoner.payments.attempt import AttemptState as State
from almoner.payments.guard import BREAKER_OPEN, BUSY
from almoner.platform.clock import jitter

IN_DOUBT_S: Final = (5, 15, 65, 120, 300, 900, 3_600, 21_600, 86_400)
"""When an attempt in doubt is looked up, in seconds after its dispatch; then once a day."""

FINAL_NO_S: Final = (3_600, 86_400)
"""When a final no is looked at once more, in seconds after it was seen."""

GIVE_UP_AFTER_MS: Final = 7 * 86_400_000
"""When a charge in doubt goes to people."""

NOT_ASKED: Final = frozenset({BREAKER_OPEN, BUSY})
"""Codes of a call that never reached the gateway's adapter."""

_DAY_MS: Final = 86_400_000
_SOON_MS: Final = 30_000
_LATER_MS: Final = 900_000
_LOOKED_AT_AGAIN: Final = frozenset({State.NOT_CHARGED, State.NOT_SENT})
_WAITING: Final = frozenset(
    {State.DISPATCHED, State.UNKNOWN, State.REQUIRES_ACTION, State.AUTHORIZED}
)


def next_look_ms(
    state: State, dispatched_ms: int, observed_ms: int, at_ms: int, code: str | None = None
) -> int | None:
    """When to look at an attempt in this state next, as milliseconds since 1970; None is never.

    `observed_ms` is when it came into the state, `code` the gateway's word of the last call. A
    NOT_SENT that never reached the gateway's adapter needs no second look.
    """
    if state in _WAITING:
        return _first_ahead(dispatched_ms, IN_DOUBT_S, at_ms) or at_ms + _DAY_MS
    if state in _LOOKED_AT_AGAIN and code not in NOT_ASKED:
        return _first_ahead(observed_ms, FINAL_NO_S, at_ms)
    return at_ms if state is State.LATE_SUCCESS else None


def not_asked_ms(at_ms: int) -> int:
    """When to try again where the gateway was not even asked: soon, and not all at once."""
    return at_ms + _SOON_MS + int(jitter().random() * _SOON_MS)


def no_answer_ms(at_ms: int) -> int:
    """When to look again at an attempt that is not in doubt and of which nothing was learnt."""
    return at_ms + _LATER_MS


def _first_ahead(from_ms: int, schedule_s: tuple[int, ...], at_ms: int) -> int | None:
    times = (from_ms + after_s * 1000 for after_s in schedule_s)
    return next((time_ms for time_ms in times if time_ms > at_ms), None)
