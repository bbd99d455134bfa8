"""What must hold at the end of a run, computed from three truths: what donors were told, the
store, and the gateway.

The numbers are those of the list in `docs/money-safety.md`. Nothing here is shared with the code
under test: its mistakes would be repeated.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from msgspec import Struct, structs

from almoner.donations.keys import RequestKey
from simulation.node import IDS
from simulation.world import BEGAN_MS

if TYPE_CHECKING:
    from simulation.bank import Sale
    from simulation.donors import Form, Telling
    from simulation.run import Run
    from simulation.store.schema import StoredAttempt


class Evidence:
    """The three truths, and some ways to look at them."""

    def __init__(self, run: Run) -> None:
        self.world = run.world
        self.store = store = run.server.store
        self.bank = run.bank
        self.crowd = run.crowd
        self.post = run.post
        self.disk = run.disk
        schema = store.schema
        self.attempts = list(schema.attempt.rows.values())
        self.donations = {row.donation_id: row for row in schema.donation.rows.values()}
        self.attempts_of: dict[UUID, list[StoredAttempt]] = defaultdict(list)
        for attempt in sorted(self.attempts, key=lambda a: a.number):
            self.attempts_of[attempt.payable_id].append(attempt)
        self.attempt_by_order = {a.attempt_id.hex: a for a in self.attempts}

    def donation_id(self, form: Form) -> UUID:
        """The one donation that a form can become."""
        return RequestKey("key", form.key).donation_id(IDS)

    def sales_of(self, donation_id: UUID) -> list[Sale]:
        """What the gateway did for a donation."""
        return [
            sale
            for attempt in self.attempts_of[donation_id]
            for sale in self.bank.at(attempt.attempt_id.hex)
        ]

    def told_of(self, donation_id: UUID) -> list[Telling]:
        """What donors heard of a donation, in the order of hearing."""
        return [t for t in self.crowd.heard if self.donation_id(t.form) == donation_id]

    def donation_ids(self) -> list[UUID]:
        """Every donation that anybody knows of."""
        known = dict.fromkeys(self.donations)
        known.update(dict.fromkeys(self.donation_id(form) for form in self.crowd.forms))
        return list(known)


class Invariant(Struct, frozen=True):
    """One thing that must hold. `look` gives what breaks it."""

    number: int
    sentence: str
    look: Callable[[Evidence], Iterator[str]]


MONEY: Final = frozenset({"SUBMITTED", "SETTLED", "DISPUTED"})
UNDECIDED: Final = frozenset({"PREPARED", "DISPATCHED", "UNKNOWN"})
NO: Final = frozenset({"DECLINED", "NOT_SENT", "NOT_CHARGED", "EXPIRED", "ABANDONED"})
OPEN: Final = UNDECIDED | {"NEEDS_REVIEW", "LATE_SUCCESS", "REQUIRES_ACTION", "AUTHORIZED"}
MAY_BECOME_MONEY: Final = UNDECIDED | MONEY | {"REQUIRES_ACTION", "AUTHORIZED", "NEEDS_REVIEW"}
PATHS: Final = {
    "PREPARED": {"DISPATCHED", "ABANDONED"},
    "DISPATCHED": {
        "REQUIRES_ACTION", "AUTHORIZED", "SUBMITTED", "DECLINED", "NOT_SENT", "UNKNOWN",
    },
    "UNKNOWN": {
        "REQUIRES_ACTION", "AUTHORIZED", "SUBMITTED", "SETTLED", "SETTLEMENT_FAILED", "VOIDED",
        "DECLINED", "NOT_CHARGED", "NEEDS_REVIEW",
    },
    "SUBMITTED": {"SETTLED", "SETTLEMENT_FAILED", "VOIDED"},
    "SETTLED": {"DISPUTED"},
    "DISPUTED": {"SETTLED"},
    "DECLINED": {"LATE_SUCCESS"},
    "NOT_SENT": {"LATE_SUCCESS"},
    "NOT_CHARGED": {"LATE_SUCCESS"},
    "ABANDONED": {"LATE_SUCCESS"},
    "VOIDED": {"LATE_SUCCESS"},
    "SETTLEMENT_FAILED": {"LATE_SUCCESS"},
    "LATE_SUCCESS": {"SUBMITTED", "VOIDED"},
}  # fmt: skip
"""The moves that the design allows, without those of parts that the simulation does not reach."""


def breaches(evidence: Evidence) -> list[str]:
    """Everything that does not hold."""
    found = [
        f"{invariant.number} {invariant.sentence}: {breach}"
        for invariant in INVARIANTS
        for breach in invariant.look(evidence)
    ]
    return [f"0 no error that nobody foresaw: {e}" for e in evidence.world.errors] + found


def captured_once(evidence: Evidence) -> Iterator[str]:
    for donation_id in evidence.donation_ids():
        captured = [sale for sale in evidence.sales_of(donation_id) if sale.captured]
        if len(captured) > 1:
            yield f"{donation_id} was charged {len(captured)} times"


def captured_is_ours(evidence: Evidence) -> Iterator[str]:
    for sale in evidence.bank.sales.values():
        if not sale.captured:
            continue
        attempt = evidence.attempt_by_order.get(sale.order_id)
        if attempt is None:
            yield f"order {sale.order_id} is nobody's"
        elif attempt.state not in MONEY:
            yield f"order {sale.order_id} is {attempt.state} here"
        elif attempt.gateway_transaction_id != sale.transaction_id:
            yield f"order {sale.order_id} names another transaction"
        elif (attempt.amount_minor, attempt.currency) != (
            sale.money.amount_minor,
            sale.money.currency,
        ):
            yield f"order {sale.order_id} has another amount"


def ours_is_captured(evidence: Evidence) -> Iterator[str]:
    for attempt in evidence.attempts:
        sales = evidence.bank.at(attempt.attempt_id.hex)
        if attempt.state in MONEY and not any(sale.captured for sale in sales):
            yield f"attempt {attempt.attempt_id} is {attempt.state} and was never charged"


def acknowledged_survives(evidence: Evidence) -> Iterator[str]:
    for telling in evidence.crowd.heard:
        if telling.word == "nothing":
            continue
        donation_id = evidence.donation_id(telling.form)
        if donation_id not in evidence.donations:
            yield f"form {telling.form.number} was told {telling.word} and is not there"
        elif telling.reply.donation_id != str(donation_id):
            yield f"form {telling.form.number} was told of another donation"


def stamped_before_sent(evidence: Evidence) -> Iterator[str]:
    """A stamp was committed before the request came in, by the node that sent it."""
    stamps = {}
    for change in evidence.store.changes("payment_attempt"):
        if change.old is None:
            stamps[change.new.attempt_id.hex] = change
    for arrival in evidence.bank.arrivals:
        stamp = stamps.get(arrival.order_id)
        if stamp is None:
            yield f"order {arrival.order_id} was sent and never stamped"
        elif stamp.at_ms > arrival.at_ms:
            yield f"order {arrival.order_id} was sent before it was stamped"
        elif stamp.place is not arrival.place:
            yield f"order {arrival.order_id} was stamped by {stamp.place}, sent by {arrival.place}"


def one_live_attempt(evidence: Evidence) -> Iterator[str]:
    """At every moment, recomputed from the history."""
    live: dict[UUID, set[UUID]] = defaultdict(set)
    for change in evidence.store.changes("payment_attempt"):
        row = change.new
        if row.state in MAY_BECOME_MONEY:
            live[row.payable_id].add(row.attempt_id)
        else:
            live[row.payable_id].discard(row.attempt_id)
        if len(live[row.payable_id]) > 1:
            yield f"{row.payable_id} had {len(live[row.payable_id])} live attempts"


def one_for_each_key(evidence: Evidence) -> Iterator[str]:
    """And every final answer to a key is the same bytes."""
    for form_key, tellings in _by(evidence.crowd.heard, lambda t: t.form.key).items():
        finals = {
            t.reply.body for t in tellings if t.reply.view is None and t.reply.status in {201, 402}
        }
        if len(finals) > 1:
            yield f"key {form_key} had {len(finals)} different final answers"


def told_is_true(evidence: Evidence) -> Iterator[str]:
    for telling in evidence.crowd.heard:
        sales = evidence.sales_of(evidence.donation_id(telling.form))
        who = f"form {telling.form.number} at {telling.heard_at:.1f} s"
        if telling.word == "paid":
            named = [s for s in sales if s.transaction_id == telling.transaction_id]
            if not any((s.captured_at or 1e9) <= telling.heard_at for s in named):
                yield f"{who} was told paid by {telling.transaction_id}, which was not so"
        if telling.word == "not_paid" and any(s.captured for s in sales):
            yield f"{who} was told not charged, and is"


def doubt_ends(evidence: Evidence) -> Iterator[str]:
    for attempt in evidence.attempts:
        if attempt.state in OPEN:
            yield f"attempt {attempt.attempt_id} is still {attempt.state}"


def history_is_a_path(evidence: Evidence) -> Iterator[str]:
    for change in evidence.store.changes("payment_attempt"):
        old, new = change.old, change.new
        if new is None:
            yield f"attempt {old.attempt_id} was deleted"
        elif old is None:
            if new.state not in {"PREPARED", "DISPATCHED", "ABANDONED"}:
                yield f"attempt {new.attempt_id} began as {new.state}"
        elif old.state != new.state and new.state not in PATHS.get(old.state, set()):
            yield f"attempt {new.attempt_id} went from {old.state} to {new.state}"


def stale_changes_nothing(evidence: Evidence) -> Iterator[str]:
    """Only the process that holds the lease moves an attempt, and versions count up.

    But for a kept gift: that it is in the journal proves that its stamp sent nothing. And for money
    that was given back: the gateway's word proves it, whoever asked.
    """
    proved = {
        (change.commit, change.new.attempt_id)
        for change in evidence.store.changes("gateway_operation")
        if change.new.gateway_code == "kept_and_never_sent" or change.new.kind in {"void", "refund"}
    }
    holder: dict[UUID, Any] = {}
    for change in evidence.store.changes("payment_attempt"):
        old, new = change.old, change.new
        if old is not None:
            if new.version == old.version:
                if new != structs.replace(old, next_check_ms=new.next_check_ms):
                    yield f"attempt {new.attempt_id} was changed under version {old.version}"
                continue
            if new.version < old.version or new.lease_epoch < old.lease_epoch:
                yield f"attempt {new.attempt_id} went from version {old.version} to {new.version}"
            same_lease = new.lease_epoch == old.lease_epoch
            excused = (change.commit, new.attempt_id) in proved
            if same_lease and not excused and holder[new.attempt_id] is not change.place:
                yield (
                    f"attempt {new.attempt_id} was moved to {new.state} by {change.place}; "
                    f"{holder[new.attempt_id]} held it"
                )
        holder[new.attempt_id] = change.place


def books_balance(evidence: Evidence) -> Iterator[str]:
    sums: dict[object, int] = defaultdict(int)
    for entry in evidence.store.schema.entry.rows.values():
        sums[entry.transfer_id, entry.currency] += entry.amount_minor
    for transfer, total in sums.items():
        if total:
            yield f"transfer {transfer} sums to {total}"
    for change in evidence.store.changes("ledger_entry"):
        if change.old is not None:
            yield f"entry {change.key} was changed"


def books_are_the_gateways(evidence: Evidence) -> Iterator[str]:
    income: dict[str, int] = defaultdict(int)
    for entry in evidence.store.schema.entry.rows.values():
        income[entry.account] += entry.amount_minor
    taken: dict[str, int] = defaultdict(int)
    for sale in evidence.bank.sales.values():
        attempt = evidence.attempt_by_order.get(sale.order_id)
        donation = evidence.donations.get(attempt.payable_id) if attempt else None
        if sale.captured and donation is not None:
            taken["gateway_receivable:sandbox"] += sale.money.amount_minor
            taken[f"charity_income:{donation.charity_id}"] -= sale.money.amount_minor
    for account in {**income, **taken}:
        if income[account] != taken[account]:
            yield f"{account} stands at {income[account]}, the gateway says {taken[account]}"


def told_once(evidence: Evidence) -> Iterator[str]:
    """Each paid donation has one event that says so, each refusal one."""
    kinds: dict[UUID, list[str]] = defaultdict(list)
    for event in evidence.store.schema.event.rows.values():
        kinds[event.donation_id].append(event.kind)
    paid: dict[UUID, int] = defaultdict(int)
    for change in evidence.store.changes("payment_attempt"):
        was = None if change.old is None else change.old.state
        paid[change.new.payable_id] += change.new.state in MONEY and was not in MONEY
    for donation_id, times in paid.items():
        if kinds[donation_id].count("donation.paid") != times:
            yield f"{donation_id}: {kinds[donation_id]}, paid {times} times"


def published_once(evidence: Evidence) -> Iterator[str]:
    """Every event reached everybody who subscribed to its kind, once in effect."""
    schema = evidence.store.schema
    wanted: dict[str, list[str]] = defaultdict(list)
    for told in schema.subscription.rows.values():
        wanted[told.kind].append(told.consumer)
    had = {(row.consumer, row.event_id) for row in schema.inbox.rows.values()}
    for event in schema.event.rows.values():
        if event.published_ms is None:
            yield f"event {event.number} {event.kind} is not published"
        for consumer in wanted[event.kind]:
            if (consumer, event.event_id) not in had:
                yield f"{consumer} has not had event {event.number} {event.kind}"
    for row in schema.delivery.rows.values():
        yield f"event {row.number} still lies there for {row.consumer}"


def totals_are_the_ledgers(evidence: Evidence) -> Iterator[str]:
    """The effect of a consumer that adds up what it is told, against the books."""
    schema = evidence.store.schema
    income: dict[tuple[str, str], int] = defaultdict(int)
    for entry in schema.entry.rows.values():
        if entry.account.startswith("charity_income:"):
            income[entry.account.partition(":")[2], entry.currency] -= entry.amount_minor
    raised = {
        (str(row.charity_id), row.currency): row.raised_minor
        for row in schema.charity_total.rows.values()
    }
    for key in {**income, **raised}:
        if income.get(key, 0) != raised.get(key, 0):
            yield f"charity {key[0]} has {income.get(key, 0)}, it was told of {raised.get(key, 0)}"


def told_in_order(evidence: Evidence) -> Iterator[str]:
    """What the log was told of one donation came in the order in which it happened.

    Another gift under its key is not of it, and moves nothing.
    """
    numbers = {
        str(row.event_id): row.number or 0
        for row in evidence.store.schema.event.rows.values()
        if row.kind != "donation.key_conflict"
    }
    last: dict[object, int] = {}
    seen: set[object] = set()
    for told in evidence.world.told:
        event_id, donation_id = told["event_id"], told["donation_id"]
        if event_id in seen or str(event_id) not in numbers:
            continue  # a line cannot be taken back when its transaction fails
        seen.add(event_id)
        number = numbers[str(event_id)]
        if number < last.get(donation_id, 0):
            yield f"event {number} of {donation_id} was told after event {last[donation_id]}"
        last[donation_id] = number


def never_older(evidence: Evidence) -> Iterator[str]:
    """What is asked after something was heard is never answered with less.

    A key that was used for two different gifts is left out: what is asked of the one may be
    answered of the other. Money that turned up late is news: until it is given back, "not charged"
    would be a lie.
    """
    late_at: dict[UUID, float] = {}
    for change in evidence.store.changes("payment_attempt"):
        if change.new is not None and change.new.state == "LATE_SUCCESS":
            late_at.setdefault(change.new.payable_id, seconds(change.at_ms))
    for number, tellings in _by(evidence.crowd.heard, lambda t: t.form.key).items():
        if len({t.form.gift.fingerprint() for t in tellings}) > 1:
            continue
        for later in tellings:
            if later.word != "processing" or later.reply.excused:
                continue
            late = late_at.get(evidence.donation_id(later.form), math.inf) <= later.heard_at
            final = {"paid"} if late else {"paid", "not_paid"}
            for earlier in tellings:
                if earlier.heard_at <= later.asked_at and earlier.word in final:
                    asked = "looking" if later.reply.view is not None else "asking again"
                    yield f"key {number} was told {earlier.word}, then, {asked}, processing"


def refused_changes_nothing(evidence: Evidence) -> Iterator[str]:
    """A request that was answered 503 or 429 sent nothing to the gateway, then or later."""
    refused = {t.reply.request for t in evidence.crowd.heard if t.reply.status in {503, 429}}
    for arrival in evidence.bank.arrivals:
        if arrival.request in refused:
            yield f"request {arrival.request} was refused, and sent {arrival.order_id}"


def webhooks_are_genuine(evidence: Evidence) -> Iterator[str]:
    """What is stored came from the gateway, once."""
    seen: set[str] = set()
    for row in evidence.store.schema.webhook.rows.values():
        if row.external_id not in evidence.post.genuine:
            yield f"a forged webhook was stored: {row.external_id}"
        if row.external_id in seen:
            yield f"webhook {row.external_id} was stored twice"
        if row.parked_ms is not None:
            yield f"webhook {row.external_id} was given up"
        seen.add(row.external_id)


def evidence_for_each_state(evidence: Evidence) -> Iterator[str]:
    """No state of money without the gateway's word, at the time it was written."""
    for change in evidence.store.changes("payment_attempt"):
        old, new = change.old, change.new
        if old is None or old.state == new.state or new.state not in MONEY | {"LATE_SUCCESS"}:
            continue
        at_s = (change.at_ms + 1 - BEGAN_MS) / 1000
        sales = evidence.bank.at(new.attempt_id.hex)
        if not any((sale.captured_at or 1e9) <= at_s for sale in sales):
            yield f"attempt {new.attempt_id} became {new.state} before any capture"


def no_is_no(evidence: Evidence) -> Iterator[str]:
    """What is called "no money" never was money, as long as the gateway keeps its own rules.

    Without this one, a wrong "no" that is found later and given back would look harmless.
    """
    for change in evidence.store.changes("payment_attempt"):
        old, new = change.old, change.new
        if new.state not in NO or (old is not None and old.state == new.state):
            continue
        for sale in evidence.bank.at(new.attempt_id.hex):
            if sale.captured_at is not None and not sale.against_the_rules:
                yield f"attempt {new.attempt_id} was called {new.state} and was charged"


def kept_is_drained(evidence: Evidence) -> Iterator[str]:
    """Nothing that a journal holds is forgotten."""
    if evidence.disk.undrained(evidence.store):
        yield "records are left in a journal"


def asked_before_a_second(evidence: Evidence) -> Iterator[str]:
    """Of two gifts alike one was confirmed, unless the first was decided or long ago."""
    begun: dict[UUID, Any] = {}
    states: dict[UUID, str] = {}
    donations = evidence.donations
    confirmed = {
        evidence.donation_id(form)
        for _, form in evidence.crowd.posts
        if form.gift.confirm_duplicate
    }
    for change in evidence.store.changes("payment_attempt"):
        row = change.new
        begins = change.old is None and row.state in UNDECIDED
        if begins and row.payable_id not in confirmed:
            mine = donations[row.payable_id]
            asked_ms = mine.created_ms if row.number == 1 else change.at_ms
            for other_id, state in states.items():
                other = donations[other_id]
                alike = (
                    other_id not in {row.payable_id, *confirmed}
                    and other.donor_id == mine.donor_id
                    and other.charity_id == mine.charity_id
                    and other.amount_minor == mine.amount_minor
                )
                recent = abs(other.created_ms - asked_ms) < 590_000
                if alike and (state in UNDECIDED or (recent and state in MAY_BECOME_MONEY)):
                    yield f"{row.payable_id} began while {other_id}, just like it, was {state}"
        begun.setdefault(row.payable_id, change)
        states[row.payable_id] = row.state


INVARIANTS: Final = (
    Invariant(1, "at most one captured transaction for a donation", captured_once),
    Invariant(2, "no captured transaction without a donation", captured_is_ours),
    Invariant(2, "nothing counts as captured that was not", ours_is_captured),
    Invariant(3, "every acknowledged donation survives", acknowledged_survives),
    Invariant(3, "what the journal keeps is drained", kept_is_drained),
    Invariant(4, "no state of money without the gateway's word", evidence_for_each_state),
    Invariant(4, "what webhooks say is the gateway's, and stored once", webhooks_are_genuine),
    Invariant(4, "nothing reached the gateway without a surviving stamp", stamped_before_sent),
    Invariant(5, "at most one live attempt", one_live_attempt),
    Invariant(6, "one donation and one final answer for a key", one_for_each_key),
    Invariant(6, "a second gift just alike was asked about", asked_before_a_second),
    Invariant(7, "told is true", told_is_true),
    Invariant(7, "a no is a no", no_is_no),
    Invariant(8, "after the faults stop every doubt ends", doubt_ends),
    Invariant(9, "every history is a path of the transition table", history_is_a_path),
    Invariant(10, "the ledger sums to zero and is append-only", books_balance),
    Invariant(11, "the ledger is the gateway's", books_are_the_gateways),
    Invariant(12, "each payment is told once", told_once),
    Invariant(12, "each event is published and had once", published_once),
    Invariant(12, "each effect happens once", totals_are_the_ledgers),
    Invariant(12, "events of a donation are told in order", told_in_order),
    Invariant(14, "a donor never sees an older state", never_older),
    Invariant(15, "stale leases change nothing", stale_changes_nothing),
    Invariant(18, "a refusal never follows a change", refused_changes_nothing),
)


def _by(tellings: Sequence[Telling], key: Callable[[Telling], str]) -> dict[str, list[Telling]]:
    found: dict[str, list[Telling]] = defaultdict(list)
    for telling in tellings:
        found[key(telling)].append(telling)
    return found


def seconds(at_ms: int) -> float:
    """Seconds since the run began."""
    return (at_ms - BEGAN_MS) / 1000
