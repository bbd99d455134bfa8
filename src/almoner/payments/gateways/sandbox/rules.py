"""How the sandbox decides: by published test nonces, cards and amounts.

The names and amounts are Braintree's ("Testing", reference), so that what is learned here holds
there; the nonces that stand for a fault are our own, and so is `fake-risky-nonce`, which is taken
but for a charge that is to be checked harder.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from almoner.money import EXPONENTS, Money
from almoner.payments.declines import decline_code_of
from almoner.payments.gateways.sandbox.faults import Fault, FaultKind


class Verdict(Struct, frozen=True):
    """What the sandbox will do with a charge."""

    captured: bool
    gateway_code: str
    decline_code: str | None = None


TAKEN: Final = Verdict(True, "1000")
"""The money is taken."""

DECLINED_BY_FAULT: Final = Verdict(False, "2000", "card_declined")
"""What a bank says that gives no reason."""

ACCEPTED: Final = frozenset(
    {
        "fake-valid-nonce",
        "fake-valid-visa-nonce",
        "fake-valid-mastercard-nonce",
        "fake-valid-amex-nonce",
        "fake-valid-discover-nonce",
        "fake-risky-nonce",
    }
)

DECLINED: Final[dict[str, tuple[str, str]]] = {
    "fake-processor-declined-visa-nonce": ("2000", "card_declined"),
    "fake-processor-declined-mastercard-nonce": ("2000", "card_declined"),
    "fake-processor-declined-amex-nonce": ("2000", "card_declined"),
    "fake-gateway-rejected-fraud-nonce": ("fraud", "gateway_rejected"),
    "fake-consumed-nonce": ("93107", "payment_details_used"),
}

_RISKY: Final = {"fake-risky-nonce": ("risk_threshold", "gateway_rejected")}

CARDS: Final[dict[str, str]] = {
    "4111111111111111": "fake-valid-visa-nonce",
    "4005519200000004": "fake-valid-visa-nonce",
    "4012888888881881": "fake-valid-visa-nonce",
    "5555555555554444": "fake-valid-mastercard-nonce",
    "378282246310005": "fake-valid-amex-nonce",
    "6011111111111117": "fake-valid-discover-nonce",
    "4000111111111115": "fake-processor-declined-visa-nonce",
    "5105105105105100": "fake-processor-declined-mastercard-nonce",
}
"""Published test numbers, and the nonce that stands for each."""

_IN_FLIGHT_MS: Final = 2_000


def _fault_nonces() -> dict[str, Fault]:
    """`fake-lost-reset-nonce` and so on: one for each fault that a single gift can meet."""
    found = {
        f"fake-{kind.replace('_', '-')}-nonce": Fault(
            kind, "charge", delay_ms=_IN_FLIGHT_MS if kind is FaultKind.IN_FLIGHT else None
        )
        for kind in FaultKind
        if kind is not FaultKind.LOOK_UP_DOWN
    }
    found["fake-lost-answer-nonce"] = found["fake-lost-timeout-nonce"]
    found["fake-unreachable-nonce"] = found["fake-not-sent-nonce"]
    return found


FAULTS: Final[dict[str, Fault]] = _fault_nonces()
"""Nonces that stand for a fault."""


def known_nonce(nonce: str) -> bool:
    """Whether the sandbox has a meaning for this nonce."""
    return nonce in ACCEPTED or nonce in DECLINED or nonce in FAULTS


def decide(nonce: str, money: Money, *, check_harder: bool = False) -> Verdict:
    """The verdict on a charge. A nonce without a meaning is declined, never taken."""
    declined = DECLINED | _RISKY if check_harder else DECLINED
    if nonce in declined:
        gateway_code, decline_code = declined[nonce]
        return Verdict(False, gateway_code, decline_code)
    if nonce not in ACCEPTED and nonce not in FAULTS:
        return Verdict(False, "91565", "gateway_rejected")
    major, rest = divmod(money.amount_minor, 10 ** EXPONENTS[money.currency])
    if 2000 <= major <= 2999:
        code = str(major)
        return Verdict(False, code, decline_code_of(code))
    if (major, rest) == (3000, 0):
        return Verdict(False, "3000", "processor_unavailable")
    if (major, rest) == (5001, 0):
        return Verdict(False, "application_incomplete", "gateway_rejected")
    return TAKEN
