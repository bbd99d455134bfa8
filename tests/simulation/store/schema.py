"""The schema, with the rules that the migrations give it.

Written by hand from the migrations, and compared with PostgreSQL by the conformance tests.
"""

from __future__ import annotations

import importlib
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import psycopg
from msgspec import Struct, structs

from simulation.store.tables import Parent, Table, Unique

_FIRST: Final[Any] = importlib.import_module("almoner.migrations.versions.0004_before_payments")
_SECOND: Final[Any] = importlib.import_module("almoner.migrations.versions.0007_before_review")

MOVES: Final = frozenset(
    (source, target)
    for table in (_FIRST.TRANSITIONS, _SECOND.ADDED)
    for source, targets in table.items()
    for target in targets.split()
)
LIVE: Final = frozenset(_SECOND.LIVE)
KINDS: Final = frozenset(_SECOND.KINDS)
RESULTS: Final = frozenset(
    {"begun", "there_before", "payment_needed", "possible_duplicate", "key_conflict"}
)
REASONS: Final = frozenset(
    {"told_not_charged", "another_attempt", "given_again", "voided_before", "two_captures"}
)
_HELD: Final = frozenset({"AUTHORIZED", "SUBMITTED", "SETTLED", "DISPUTED", "LATE_SUCCESS"})


class DonorRow(Struct, frozen=True):
    """Table `donor`."""

    donor_id: UUID
    email_normalised: str
    email: str
    first_name: str
    last_name: str
    locale: str
    created_ms: int


class RecordRow(Struct, frozen=True):
    """Table `idempotency_record`."""

    donation_id: UUID
    donor_id: UUID
    fingerprint: bytes
    request_id: UUID
    created_ms: int
    response_status: int | None = None
    response_body: bytes | None = None


class DonationRow(Struct, frozen=True):
    """Table `donation`."""

    donation_id: UUID
    donor_id: UUID
    charity_id: int
    amount_minor: int
    currency: str
    first_name: str
    last_name: str
    email: str
    locale: str
    created_ms: int


class CharityRow(Struct, frozen=True):
    """What is needed of table `charity`."""

    charity_id: int
    slug: str
    name: str


class StoredAttempt(Struct, frozen=True):
    """Table `payment_attempt`."""

    attempt_id: UUID
    donor_id: UUID
    payable_id: UUID
    number: int
    gateway: str
    state: str
    amount_minor: int
    currency: str
    lease_owner: UUID
    dispatched_ms: int | None
    merchant_account: str | None = None
    version: int = 1
    lease_epoch: int = 1
    observed_ms: int | None = None
    gateway_transaction_id: str | None = None
    decline_code: str | None = None
    checks: int = 0
    misses: int = 0
    next_check_ms: int | None = None
    looked_ms: int | None = None
    captured_ms: int | None = None


class OperationRow(Struct, frozen=True):
    """Table `gateway_operation`."""

    operation_id: UUID
    donor_id: UUID
    attempt_id: UUID
    kind: str
    request_key: str
    outcome: str
    gateway_transaction_id: str | None
    gateway_code: str | None
    started_ms: int
    finished_ms: int
    attempt_version: int | None = None


class EntryRow(Struct, frozen=True):
    """Table `ledger_entry`."""

    transfer_id: UUID
    leg: int
    donor_id: UUID
    account: str
    amount_minor: int
    currency: str
    source_kind: str
    source_id: UUID
    posted_ms: int


class EventRow(Struct, frozen=True):
    """Table `event`."""

    event_id: UUID
    donor_id: UUID
    donation_id: UUID
    kind: str
    payload: Any
    occurred_ms: int
    published_ms: int | None = None
    number: int | None = None


class SubscriptionRow(Struct, frozen=True):
    """Table `event_subscription`."""

    consumer: str
    kind: str
    subscribed_ms: int


class DeliveryRow(Struct, frozen=True):
    """Table `delivery`."""

    consumer: str
    event_id: UUID
    donor_id: UUID
    donation_id: UUID
    number: int
    tries: int
    next_ms: int
    parked_ms: int | None = None
    failure: str | None = None


class InboxRow(Struct, frozen=True):
    """Table `inbox`."""

    consumer: str
    event_id: UUID
    donor_id: UUID
    handled_ms: int


class TotalRow(Struct, frozen=True):
    """Table `charity_total`."""

    charity_id: int
    currency: str
    raised_minor: int
    gifts: int


class DrainedRow(Struct, frozen=True):
    """Table `journal_drained`."""

    segment_id: UUID
    sequence: int
    donation_id: UUID
    drained_by: UUID
    result: str
    drained_ms: int


class ReturnRow(Struct, frozen=True):
    """Table `money_return`."""

    return_id: UUID
    attempt_id: UUID
    donor_id: UUID
    gateway: str
    gateway_transaction_id: str
    amount_minor: int
    currency: str
    reason: str
    request_key: str
    decided_ms: int
    tries: int
    next_try_ms: int
    done_ms: int | None = None
    done_kind: str | None = None


class WebhookRow(Struct, frozen=True):
    """Table `webhook`."""

    webhook_id: UUID
    gateway: str
    external_id: str
    kind: str | None
    payload: bytes
    received_ms: int
    processed_ms: int | None
    tries: int
    order_ids: tuple[str, ...]
    claims: str | None
    next_try_ms: int | None
    parked_ms: int | None = None
    unknown_orders: int | None = None


class Schema:
    """All tables."""

    def __init__(self) -> None:
        self.charity: Table[CharityRow] = Table("charity", lambda r: r.charity_id)
        self.donor: Table[DonorRow] = Table("donor", lambda r: r.donor_id, check=_donor)
        self.record: Table[RecordRow] = Table(
            "idempotency_record", lambda r: r.donation_id, check=_record
        )
        self.donation: Table[DonationRow] = Table(
            "donation",
            lambda r: (r.donation_id, r.donor_id),
            parents=[
                Parent("charity", lambda r: r.charity_id),
                Parent("donor", lambda r: r.donor_id),
            ],
            check=_donation,
        )
        self.attempt: Table[StoredAttempt] = Table(
            "payment_attempt",
            lambda r: (r.attempt_id, r.donor_id),
            uniques=[
                Unique(
                    "payment_attempt_one_live",
                    lambda r: (r.payable_id, r.donor_id) if r.state in LIVE else None,
                )
            ],
            parents=[Parent("donation", lambda r: (r.payable_id, r.donor_id))],
            check=_attempt,
            guard=_attempt_guard,
        )
        self.operation: Table[OperationRow] = Table(
            "gateway_operation",
            lambda r: (r.operation_id, r.donor_id),
            parents=[Parent("payment_attempt", lambda r: (r.attempt_id, r.donor_id))],
            check=_operation,
        )
        self.entry: Table[EntryRow] = Table(
            "ledger_entry",
            lambda r: (r.transfer_id, r.leg, r.donor_id),
            check=_entry,
            guard=_append_only,
        )
        self.event: Table[EventRow] = Table("event", lambda r: (r.event_id, r.donor_id))

        self.drained: Table[DrainedRow] = Table(
            "journal_drained", lambda r: (r.segment_id, r.sequence), check=_drained
        )

        self.money_return: Table[ReturnRow] = Table(
            "money_return",
            lambda r: r.return_id,
            uniques=[
                Unique("money_return_request_key", lambda r: r.request_key),
                Unique(
                    "money_return_open",
                    lambda r: (
                        (r.attempt_id, r.gateway_transaction_id) if r.done_ms is None else None
                    ),
                ),
            ],
            parents=[Parent("payment_attempt", lambda r: (r.attempt_id, r.donor_id))],
            check=_return,
        )
        self.webhook: Table[WebhookRow] = Table(
            "webhook",
            lambda r: r.webhook_id,
            uniques=[Unique("webhook_external_id", lambda r: (r.gateway, r.external_id))],
        )

        self.subscription: Table[SubscriptionRow] = Table(
            "event_subscription", lambda r: (r.consumer, r.kind)
        )
        self.delivery: Table[DeliveryRow] = Table(
            "delivery", lambda r: (r.event_id, r.consumer, r.donor_id)
        )
        self.inbox: Table[InboxRow] = Table("inbox", lambda r: (r.event_id, r.consumer, r.donor_id))
        self.charity_total: Table[TotalRow] = Table(
            "charity_total", lambda r: (r.charity_id, r.currency)
        )

    def tables(self) -> dict[str, Table[Any]]:
        """By name."""
        return {table.name: table for table in vars(self).values() if isinstance(table, Table)}


def _refuse(reason: str) -> None:
    raise psycopg.errors.CheckViolation(reason)


def _donor(row: DonorRow) -> None:
    if not 3 <= len(row.email_normalised) <= 320:
        _refuse("donor: length of the address")


def _record(row: RecordRow) -> None:
    if len(row.fingerprint) != 32:
        _refuse("idempotency_record: length of the fingerprint")
    if (row.response_status is None) != (row.response_body is None):
        _refuse("idempotency_record: half an answer")


def _donation(row: DonationRow) -> None:
    if row.amount_minor <= 0:
        _refuse("donation: amount")


def _attempt(row: StoredAttempt) -> None:
    if row.number <= 0 or row.amount_minor <= 0:
        _refuse("payment_attempt: number, amount")
    if row.state in _HELD and row.gateway_transaction_id is None:
        _refuse("payment_attempt: no transaction")
    if row.state not in {"PREPARED", "ABANDONED"} and row.dispatched_ms is None:
        _refuse("payment_attempt: never dispatched")
    if row.state == "DECLINED" and row.decline_code is None:
        _refuse("payment_attempt: no reason")


def _attempt_guard(old: StoredAttempt | None, new: StoredAttempt | None) -> None:
    if new is None:
        return
    if old is None:
        if new.state not in {"PREPARED", "DISPATCHED"} or new.version != 1:
            raise psycopg.errors.RestrictViolation("payment_attempt_birth")
        return
    made_due = structs.replace(old, next_check_ms=new.next_check_ms)
    if new == made_due and new != old:
        return
    if new.version != old.version + 1 or new.lease_epoch < old.lease_epoch:
        raise psycopg.errors.RestrictViolation("payment_attempt_guard: version, epoch")
    if _charged(new) != _charged(old):
        raise psycopg.errors.RestrictViolation("payment_attempt_guard: what is charged")
    if new.state != old.state and (old.state, new.state) not in MOVES:
        raise psycopg.errors.RestrictViolation(f"payment_attempt_guard: {old.state} {new.state}")


def _charged(row: StoredAttempt) -> tuple[object, ...]:
    return (row.amount_minor, row.currency, row.payable_id, row.gateway)


def _operation(row: OperationRow) -> None:
    if row.kind not in KINDS:
        _refuse("gateway_operation: kind")


def _return(row: ReturnRow) -> None:
    if row.amount_minor <= 0 or row.reason not in REASONS:
        _refuse("money_return: amount, reason")
    if (row.done_ms is None) != (row.done_kind is None):
        _refuse("money_return: half done")
    if row.done_kind not in {None, "void", "refund"}:
        _refuse("money_return: kind")


def _drained(row: DrainedRow) -> None:
    if row.sequence <= 0 or row.result not in RESULTS:
        _refuse("journal_drained: sequence, result")


def _entry(row: EntryRow) -> None:
    if row.leg <= 0 or row.amount_minor == 0:
        _refuse("ledger_entry: leg, amount")


def _append_only(old: EntryRow | None, new: EntryRow | None) -> None:
    if old is not None:
        raise psycopg.errors.RestrictViolation("ledger_entry is append-only")


def zero_sum(rows: list[EntryRow]) -> None:
    """Raise CheckViolation unless each transfer of a statement sums to zero."""

    def of(row: EntryRow) -> tuple[str, str]:
        return row.transfer_id.hex, row.currency

    for transfer, legs in groupby(sorted(rows, key=of), key=of):
        if sum(row.amount_minor for row in legs):
            _refuse(f"ledger transfer {transfer[0]} does not sum to zero")
