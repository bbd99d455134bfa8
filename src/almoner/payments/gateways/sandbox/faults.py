"""Faults: what the sandbox can be told to do wrong, and for which request.

A closed table: each kind, what it strikes, and how long it takes unless told otherwise.
`docs/reference/sandbox.md` tells what each does; a test keeps the two equal.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Final, Literal, get_args

from msgspec import Struct, structs

Operation = Literal["charge", "look_up", "reverse", "webhook"]
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)


class FaultKind(StrEnum):
    """One way of going wrong."""

    NOT_SENT = "not_sent"
    SLOW = "slow"
    ANSWER_LATE = "answer_late"
    DECLINE = "decline"
    LOST_TIMEOUT = "lost_timeout"
    LOST_RESET = "lost_reset"
    LOST_500 = "lost_500"
    LOST_EMPTY = "lost_empty"
    LOST_HTML = "lost_html"
    DUPLICATE = "duplicate"
    DUPLICATE_OF_ANOTHER = "duplicate_of_another"
    IN_FLIGHT = "in_flight"
    TOO_FAST = "too_fast"
    REFUSED = "refused"
    LATE_CHARGE = "late_charge"
    LATE_DECLINE = "late_decline"
    LATE_SUCCESS = "late_success"
    INDEX_LAG = "index_lag"
    LOOK_UP_DOWN = "look_up_down"
    WEBHOOK_LATE = "webhook_late"
    WEBHOOK_TWICE = "webhook_twice"
    WEBHOOK_OUT_OF_ORDER = "webhook_out_of_order"
    WEBHOOK_FORGED = "webhook_forged"
    WEBHOOK_LOST = "webhook_lost"


_K = FaultKind
_ANY: Final[tuple[Operation, ...]] = ("charge", "look_up", "reverse")
_CHARGE: Final[tuple[Operation, ...]] = ("charge",)
_WEBHOOK: Final[tuple[Operation, ...]] = ("webhook",)

STRIKES: Final[dict[FaultKind, tuple[Operation, ...]]] = {
    _K.NOT_SENT: _ANY,
    _K.SLOW: _ANY,
    _K.ANSWER_LATE: _CHARGE,
    _K.DECLINE: _CHARGE,
    _K.LOST_TIMEOUT: _ANY,
    _K.LOST_RESET: _ANY,
    _K.LOST_500: _ANY,
    _K.LOST_EMPTY: _ANY,
    _K.LOST_HTML: _ANY,
    _K.DUPLICATE: _CHARGE,
    _K.DUPLICATE_OF_ANOTHER: _CHARGE,
    _K.IN_FLIGHT: _ANY,
    _K.TOO_FAST: _ANY,
    _K.REFUSED: _ANY,
    _K.LATE_CHARGE: _CHARGE,
    _K.LATE_DECLINE: _CHARGE,
    _K.LATE_SUCCESS: _CHARGE,
    _K.INDEX_LAG: ("charge", "look_up"),
    _K.LOOK_UP_DOWN: ("look_up",),
    _K.WEBHOOK_LATE: _WEBHOOK,
    _K.WEBHOOK_TWICE: _WEBHOOK,
    _K.WEBHOOK_OUT_OF_ORDER: _WEBHOOK,
    _K.WEBHOOK_FORGED: _WEBHOOK,
    _K.WEBHOOK_LOST: _WEBHOOK,
}
"""What each may strike; the first unless told otherwise."""

DELAY_MS: Final[dict[FaultKind, int]] = {
    _K.SLOW: 15_000,
    _K.ANSWER_LATE: 70_000,
    _K.LATE_CHARGE: 30_000,
    _K.LATE_SUCCESS: 30_000,
    _K.INDEX_LAG: 30_000,
    _K.WEBHOOK_LATE: 30_000,
    _K.WEBHOOK_OUT_OF_ORDER: 30_000,
}
"""How long each takes unless told otherwise; those that are not here take no time of their own."""


class UnknownFault(ValueError):
    """Words that name no fault; the text says which there are."""


class Fault(Struct, frozen=True):
    """One fault that is set.

    With `times_left` it strikes so often and is over, with `probability` by chance, with neither
    always. `amount_minor` and `order_id` limit it to such requests. `fault_id` is 0 for one that
    is not in the table. `drawn` counts the dice, `happened` how often it struck.
    """

    kind: FaultKind
    operation: Operation
    times_left: int | None = None
    probability: float | None = None
    seed: int = 0
    delay_ms: int | None = None
    amount_minor: int | None = None
    order_id: str | None = None
    fault_id: int = 0
    drawn: int = 0
    happened: int = 0

    @property
    def takes_ms(self) -> int:
        """How long it takes: as it was told, or as its kind does."""
        return DELAY_MS.get(self.kind, 0) if self.delay_ms is None else self.delay_ms

    def fits(self, operation: Operation, order_id: str, amount_minor: int | None) -> bool:
        """Whether it is meant for such a request. Look-ups do not know the amount."""
        return (
            self.operation == operation
            and self.order_id in (None, order_id)
            and (self.amount_minor is None or self.amount_minor == amount_minor)
        )


def named(kind: str, operation: str | None = None) -> Fault:
    """The fault of that name, which strikes always. Raises UnknownFault."""
    try:
        known = FaultKind(kind)
    except ValueError:
        raise UnknownFault(f"{kind!r} is none of {', '.join(FaultKind)}.") from None
    possible = STRIKES[known]
    for struck in possible:
        if operation in (None, struck):
            return Fault(known, struck)
    raise UnknownFault(f"{kind} strikes {', '.join(possible)}, and not {operation}.")


def checked(fault: Fault) -> Fault:
    """The same fault. Raises UnknownFault when its parts make no sense together."""
    if fault.times_left is not None and fault.probability is not None:
        raise UnknownFault("A fault strikes so many times, or with a probability; not both.")
    if not 0 <= (fault.probability or 0) <= 1:
        raise UnknownFault("A probability lies between 0 and 1.")
    if fault.amount_minor is not None and fault.operation in ("look_up", "webhook"):
        raise UnknownFault(f"A {fault.operation} has no amount.")
    return fault


_ONE: Final = re.compile(r"([a-z0-9_]+)(?:@([a-z_]+))?:([0-9.]+)(?::(\d+))?", re.ASCII)
_SEED: Final = re.compile(r"seed=(\d{1,18})", re.ASCII)


def read_faults(text: str) -> list[Fault]:
    """The faults of the setting, `kind[@operation]:probability[:delay in ms], ...;seed=7`.

    Raises UnknownFault.
    """
    faults, _, ending = text.replace(" ", "").partition(";")
    seed = _SEED.fullmatch(ending) if ending else None
    if ending and seed is None:
        raise UnknownFault(f"{ending!r} is no seed; write such as seed=7.")
    read: list[Fault] = []
    for word in filter(None, faults.split(",")):
        form = _ONE.fullmatch(word)
        if form is None or form[3].count(".") > 1 or form[3] == ".":
            raise UnknownFault(
                f"{word!r} is no fault; write such as lost_reset:0.02 or slow:0.1:500."
            )
        fault = structs.replace(
            named(form[1], form[2]),
            probability=float(form[3]),
            seed=int(seed[1]) if seed else 0,
            delay_ms=int(form[4]) if form[4] else None,
        )
        read.append(checked(fault))
    return read


def strikes(fault: Fault, drawn: int) -> bool:
    """Whether the dice fall for it at the `drawn`-th throw; the same for the same seed."""
    if fault.probability is None:
        return True
    thrown = hashlib.sha256(f"{fault.seed}/{fault.kind}/{drawn}".encode()).digest()
    return int.from_bytes(thrown[:7]) / 2**56 < fault.probability
