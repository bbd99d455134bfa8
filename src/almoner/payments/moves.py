"""Which moves a look-up's evidence makes. A closed table: each state with all that may be seen.

Evidence only ever comes from asking the gateway. Where one move does not lead there, several do.
Two things are left to others on purpose: a capture becomes SETTLED by the settlement report alone,
because only that knows the fee; and money that a final no turns out to hold is LATE_SUCCESS, about
which somebody decides. What ends without money never passes through SUBMITTED, where a donor would
be told "paid" for a moment.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from almoner.payments.attempt import FINAL_NO
from almoner.payments.attempt import AttemptState as State
from almoner.payments.gateway import Seen


class Surprise(Enum):
    """Evidence that contradicts what is written down in a way that no move can mend: a page."""

    SURPRISE = "surprise"


SURPRISE: Final = Surprise.SURPRISE

Path = tuple[State, ...]

_OPEN: Final[dict[Seen, Path]] = {
    Seen.SUBMITTED: (State.SUBMITTED,),
    Seen.SETTLED: (State.SUBMITTED,),
    Seen.DISPUTED: (State.SETTLED, State.DISPUTED),
    Seen.SETTLEMENT_FAILED: (State.SETTLEMENT_FAILED,),
    Seen.VOIDED: (State.VOIDED,),
    Seen.DECLINED: (State.DECLINED,),
    Seen.AUTHORIZED: (State.AUTHORIZED,),
}
_FINAL_NO: Final[dict[Seen, Path | Surprise]] = {
    Seen.SUBMITTED: (State.LATE_SUCCESS,),
    Seen.SETTLED: (State.LATE_SUCCESS,),
    Seen.DISPUTED: (State.LATE_SUCCESS,),
    Seen.SETTLEMENT_FAILED: (),
    Seen.VOIDED: (),
    Seen.DECLINED: (),
    Seen.AUTHORIZED: SURPRISE,
}

MOVES: Final[dict[State, dict[Seen, Path | Surprise]]] = {
    State.PREPARED: dict.fromkeys(_OPEN, SURPRISE),
    State.DISPATCHED: {
        **_OPEN,
        Seen.DISPUTED: (State.SUBMITTED, State.SETTLED, State.DISPUTED),
        Seen.SETTLEMENT_FAILED: (State.UNKNOWN, State.SETTLEMENT_FAILED),
        Seen.VOIDED: (State.UNKNOWN, State.VOIDED),
    },
    State.UNKNOWN: {**_OPEN},
    State.NEEDS_REVIEW: {**_OPEN},
    State.REQUIRES_ACTION: {
        **_OPEN,
        Seen.DISPUTED: (State.SUBMITTED, State.SETTLED, State.DISPUTED),
        Seen.SETTLEMENT_FAILED: (State.AUTHORIZED, State.VOIDED),
        Seen.VOIDED: (State.AUTHORIZED, State.VOIDED),
    },
    State.AUTHORIZED: {
        **_OPEN,
        Seen.AUTHORIZED: (),
        Seen.DISPUTED: (State.SUBMITTED, State.SETTLED, State.DISPUTED),
        Seen.SETTLEMENT_FAILED: (State.VOIDED,),
        Seen.DECLINED: (State.VOIDED,),
    },
    State.SUBMITTED: {
        Seen.SUBMITTED: (),
        Seen.SETTLED: (),
        Seen.DISPUTED: (State.SETTLED, State.DISPUTED),
        Seen.SETTLEMENT_FAILED: (State.SETTLEMENT_FAILED,),
        Seen.VOIDED: (State.VOIDED,),
        Seen.DECLINED: SURPRISE,
        Seen.AUTHORIZED: SURPRISE,
    },
    State.SETTLED: {
        Seen.SUBMITTED: (),
        Seen.SETTLED: (),
        Seen.DISPUTED: (State.DISPUTED,),
        Seen.SETTLEMENT_FAILED: SURPRISE,
        Seen.VOIDED: SURPRISE,
        Seen.DECLINED: SURPRISE,
        Seen.AUTHORIZED: SURPRISE,
    },
    State.DISPUTED: {
        Seen.SUBMITTED: (),
        Seen.SETTLED: (State.SETTLED,),
        Seen.DISPUTED: (),
        Seen.SETTLEMENT_FAILED: SURPRISE,
        Seen.VOIDED: SURPRISE,
        Seen.DECLINED: SURPRISE,
        Seen.AUTHORIZED: SURPRISE,
    },
    State.LATE_SUCCESS: {
        Seen.SUBMITTED: (),
        Seen.SETTLED: (),
        Seen.DISPUTED: (),
        Seen.SETTLEMENT_FAILED: (State.VOIDED,),
        Seen.VOIDED: (State.VOIDED,),
        Seen.DECLINED: SURPRISE,
        Seen.AUTHORIZED: SURPRISE,
    },
    **{state: dict(_FINAL_NO) for state in FINAL_NO},
}
"""What is seen and not in here (WAIT, DUPLICATE, NOT_SENT, UNKNOWN) proves nothing."""


def path_of(state: State, seen: Seen) -> Path | Surprise:
    """The moves that the evidence makes; an empty path changes nothing."""
    return MOVES[state].get(seen, ())
