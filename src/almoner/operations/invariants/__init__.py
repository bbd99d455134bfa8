"""The invariants, one class for each number of the list in `docs/money-safety.md`.

To add a check: a `Check` in the class it belongs to, its breach in `tests/operations`, and its name
in `docs/money-safety.md` and `docs/failures.md`.
"""

from __future__ import annotations

from typing import Final

from almoner.operations.invariant import Check, Invariant
from almoner.operations.invariants.acknowledged_survives import AcknowledgedSurvives
from almoner.operations.invariants.books_balance import BooksBalance
from almoner.operations.invariants.books_match_gateway import BooksMatchGateway
from almoner.operations.invariants.captured_once import CapturedOnce
from almoner.operations.invariants.charge_has_donation import ChargeHasDonation
from almoner.operations.invariants.doubt_ends import DoubtEnds
from almoner.operations.invariants.each_event_told import EachEventTold
from almoner.operations.invariants.given_back_at_most_captured import GivenBackAtMostCaptured
from almoner.operations.invariants.history_is_a_path import HistoryIsAPath
from almoner.operations.invariants.never_shown_older import NeverShownOlder
from almoner.operations.invariants.no_card_number import NoCardNumber
from almoner.operations.invariants.one_donation_per_key import OneDonationPerKey
from almoner.operations.invariants.one_live_attempt import OneLiveAttempt
from almoner.operations.invariants.one_receipt import OneReceipt
from almoner.operations.invariants.refusal_changes_nothing import RefusalChangesNothing
from almoner.operations.invariants.stale_leases import StaleLeases
from almoner.operations.invariants.stamped_before_sent import StampedBeforeSent
from almoner.operations.invariants.told_is_true import ToldIsTrue

INVARIANTS: Final[tuple[Invariant, ...]] = (
    CapturedOnce(),
    ChargeHasDonation(),
    AcknowledgedSurvives(),
    StampedBeforeSent(),
    OneLiveAttempt(),
    OneDonationPerKey(),
    ToldIsTrue(),
    DoubtEnds(),
    HistoryIsAPath(),
    BooksBalance(),
    BooksMatchGateway(),
    EachEventTold(),
    OneReceipt(),
    NeverShownOlder(),
    StaleLeases(),
    GivenBackAtMostCaptured(),
    NoCardNumber(),
    RefusalChangesNothing(),
)

CHECKS: Final[dict[str, Check]] = {
    check.name: check for invariant in INVARIANTS for check in invariant.checks
}
"""All checks by name."""
