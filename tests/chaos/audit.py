"""Three truths side by side: what donors were told, our database, the gateway's own record.

Shares no code with `almoner check`: a mistake of that one would repeat itself here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from chaos.donors import RANK, Crowd, Promise, Told
from chaos.lies import Lie
from chaos.truths import CAPTURED, GIVEN_BACK, TAKEN_BACK, Ours, Row, minor, read_ours


class Audit(Struct):
    """How many of each, and every breach in words."""

    counts: dict[str, int] = {}
    breaches: list[str] = []

    def must(self, holds: bool, breach: str) -> None:
        """Note a breach unless it holds."""
        if not holds:
            self.breaches.append(breach)


def compare(
    crowd: Crowd,
    database_url: str,
    charges: list[Row],
    lies: Sequence[Lie] = (),
    differences: Sequence[Row] = (),
) -> Audit:
    """Everything that must be equal, and whatever is not.

    `differences` are those that the program's own match leaves open for people.
    """
    audit, ours = Audit({}, []), read_ours(database_url)
    _told_is_true(audit, crowd, ours, charges)
    _gateway_is_ours(audit, ours, charges)
    _what_went_back_is_back(audit, ours, charges)
    _kept_is_not_lost(audit, crowd, ours)
    _webhooks_move_nothing(audit, ours, charges, lies)
    _open_differences_are_explained(audit, charges, differences)
    _answers_are_stable(audit, crowd, ours)
    captured_minor = sum(minor(c["amount"]) for c in charges if c["captured"])
    audit.must(
        captured_minor == ours.income_minor,
        f"the gateway captured {captured_minor}, the books say {ours.income_minor}",
    )
    audit.counts |= _counts(crowd, ours, charges) | {
        "minor units captured": captured_minor,
        "minor units booked": ours.income_minor,
        "paid out and then given back, left to people": len(differences),
    }
    return audit


def _counts(crowd: Crowd, ours: Ours, charges: list[Row]) -> dict[str, int]:
    states = Counter(charge["state"] for charge in charges)
    results = Counter(row["result"] for row in ours.drained)
    return {
        "gifts begun": len(crowd.promises),
        "requests": sum(p.tries for p in crowd.promises),
        "answers that crossed a newer one": sum(
            len(p.told) - len(_in_order(p)) for p in crowd.promises
        ),
        "donations in the database": len(ours.stored),
        "attempts": len(ours.attempts),
        "attempts that were UNKNOWN at some time": ours.doubts,
        "gifts through the journal": len({row["donation_id"] for row in ours.drained}),
        "acknowledged by the journal alone": sum(p.kept for p in crowd.promises),
        "first written from the journal": results["begun"],
        "charges at the gateway": len(charges),
        "captured at the gateway": sum(c["captured"] for c in charges),
        "captured in our books": sum(a["state"] in CAPTURED for a in ours.attempts),
        "taken back by the bank": states[TAKEN_BACK],
        "late money adopted": ours.adopted,
        "late money given back": sum(states[state] for state in GIVEN_BACK),
        "webhooks received": len(ours.webhooks),
        "donors told paid": sum(_last(p) == "success" for p in crowd.promises),
        "donors told not charged": sum(_last(p) == "failure" for p in crowd.promises),
        "asked 'did you mean two gifts?'": sum(p.refused for p in crowd.promises),
    }


def _told_is_true(audit: Audit, crowd: Crowd, ours: Ours, charges: list[Row]) -> None:
    attempts, at_gateway = ours.of_donations(), _by_donation(ours, charges)
    for promise in crowd.promises:
        who = f"key {promise.key}"
        audit.must(promise.is_final, f"{who} never heard what became of the gift")
        ids = {told.donation_id for told in promise.told}
        audit.must(len(ids) <= 1, f"{who} heard of {len(ids)} donations")
        for donation_id in ids:
            audit.must(bool(attempts[donation_id]), f"{who}: acknowledged and lost")
        theirs = [charge for donation_id in ids for charge in at_gateway[donation_id]]
        _order_is_kept(audit, who, promise, theirs)
        held = {charge["transaction_id"] for charge in theirs if charge["captured"]}
        audit.must(len(held) <= 1, f"{who} was charged {len(held)} times")
        if not promise.told:
            continue
        last = promise.told[-1]
        if last.status == "success":
            audit.must(
                held == {last.transaction_id},
                f"{who} was told {last.transaction_id} in the end, the gateway holds {held}",
            )
        if last.status == "failure":
            audit.must(not held, f"{who} was told 'not charged' and paid {held}")


def _order_is_kept(audit: Audit, who: str, promise: Promise, charges: list[Row]) -> None:
    """Nothing older after something newer, and never two ends, but for what the bank undid.

    A charge that the gateway itself took up again after a "not charged", and that was given back,
    is being confirmed in between. One that the bank took back before it was paid out is told as
    paid and then as not.
    """
    went_back = any(charge["state"] in GIVEN_BACK for charge in charges)
    undone = {c["transaction_id"] for c in charges if c["state"] == TAKEN_BACK}
    told = _in_order(promise)
    for before, after in pairwise(told):
        was, now = before.status, after.status
        if RANK[now] < RANK[was]:
            late = was == "failure" and went_back
            audit.must(late, f"{who} saw an older state after a newer one: {after} after {before}")
        elif was != now and RANK[was] == 2:
            revoked = was == "success" and before.transaction_id in undone
            audit.must(revoked, f"{who} heard both {was} and then {now}")
    versions = [told.version for told in promise.told if told.version is not None]
    audit.must(versions == sorted(versions), f"{who} saw an older version after a newer one")
    paid = {t.transaction_id for t in promise.told if t.status == "success"}
    audit.must(len(paid) <= 1, f"{who} was told of {len(paid)} payments")
    never = paid - {c["transaction_id"] for c in charges if c["captured"]} - undone
    audit.must(not never, f"{who} was told that {never} is paid, which holds no money")


def _in_order(promise: Promise) -> list[Told]:
    """What was told, without older words that crossed newer ones on their way."""
    kept: list[Told] = []
    for one in promise.told:
        if kept and RANK[one.status] < RANK[kept[-1].status] and one.crossed(kept[-1]):
            continue
        kept.append(one)
    return kept


def _gateway_is_ours(audit: Audit, ours: Ours, charges: list[Row]) -> None:
    attempts = {attempt["attempt_id"].hex: attempt for attempt in ours.attempts}
    for charge in charges:
        attempt = attempts.get(charge["order_id"])
        name = f"charge {charge['transaction_id']}"
        if attempt is None:
            audit.breaches.append(f"{name} belongs to no attempt of ours")
            continue
        audit.must(minor(charge["amount"]) == attempt["amount_minor"], f"{name}: another amount")
        audit.must(
            charge["captured"] == (attempt["state"] in CAPTURED),
            f"{name}: captured {charge['captured']} there, {attempt['state']} here",
        )
        if attempt["state"] in CAPTURED:
            known = attempt["gateway_transaction_id"]
            audit.must(known == charge["transaction_id"], f"{name}: {known} in our books")
    there = {charge["order_id"] for charge in charges if charge["captured"]}
    for order_id, attempt in attempts.items():
        if attempt["state"] in CAPTURED:
            audit.must(order_id in there, f"attempt {order_id}: captured here only")
    paid = Counter(a["payable_id"] for a in ours.attempts if a["state"] in CAPTURED)
    twice = [str(donation_id) for donation_id, count in paid.items() if count > 1]
    audit.must(not twice, f"donations charged twice: {twice[:5]}")


def _what_went_back_is_back(audit: Audit, ours: Ours, charges: list[Row]) -> None:
    """What was promised back is back at the gateway, and nothing else is."""
    state_of = {charge["transaction_id"]: charge["state"] for charge in charges}
    promised = set()
    for back in ours.returns:
        transaction = back["gateway_transaction_id"]
        promised.add(transaction)
        audit.must(back["done_at"] is not None, f"{transaction} was promised back, and is not")
        state = state_of.get(transaction)
        audit.must(
            state in GIVEN_BACK or state == TAKEN_BACK,
            f"{transaction} was given back in our books and is {state} at the gateway",
        )
    for transaction, state in state_of.items():
        if state in GIVEN_BACK:
            audit.must(transaction in promised, f"{transaction} went back and nobody decided it")


def _kept_is_not_lost(audit: Audit, crowd: Crowd, ours: Ours) -> None:
    """What the journal alone acknowledged was taken in, and its donor heard the end."""
    drained = {str(row["donation_id"]) for row in ours.drained}
    stored = {str(row["donation_id"]) for row in ours.stored}
    for promise in crowd.promises:
        if not promise.kept:
            continue
        who, donation_id = f"key {promise.key}", promise.told[0].donation_id
        audit.must(donation_id in drained, f"{who} was kept and never taken in")
        audit.must(donation_id in stored, f"{who} was kept, and is no donation")
        ended = promise.told[-1].status in ("success", "failure")
        audit.must(ended, f"{who} was kept, and never heard the end of it")


def _webhooks_move_nothing(
    audit: Audit, ours: Ours, charges: list[Row], lies: Sequence[Lie]
) -> None:
    """Forged ones leave no trace; true signatures under untrue words leave no mark on a gift."""
    known = {row["external_id"] for row in ours.webhooks}
    state_of = {attempt["attempt_id"].hex: attempt["state"] for attempt in ours.attempts}
    charge_of = {charge["order_id"]: charge for charge in charges}
    for lie in lies:
        if not lie.signed:
            audit.must(lie.answered in (400, 503), f"a forged webhook was told {lie.answered}")
            audit.must(lie.event_id not in known, f"the forged webhook {lie.event_id} was stored")
            continue
        if lie.answered == 204:
            audit.must(lie.event_id in known, f"the webhook {lie.event_id} was taken and is lost")
        charge = charge_of.get(lie.order_id)
        here, there = state_of.get(lie.order_id) in CAPTURED, bool(charge and charge["captured"])
        audit.must(here == there, f"the webhook '{lie.kind}' of {lie.order_id} was believed")
    for row in ours.webhooks:
        audit.must(row["parked_at"] is None, f"the webhook {row['external_id']} was given up")


def _open_differences_are_explained(
    audit: Audit, charges: list[Row], differences: Sequence[Row]
) -> None:
    """The gateway may have paid out late money before it was given back; people see to the fee."""
    state_of = {charge["order_id"]: charge["state"] for charge in charges}
    for difference in differences:
        kind, subject = difference["kind"], difference["subject"]
        explained = kind == "paid_out_uncharged" and state_of.get(subject) in GIVEN_BACK
        audit.must(explained, f"the match ends with {kind} of {subject}")


def _answers_are_stable(audit: Audit, crowd: Crowd, ours: Ours) -> None:
    bodies = {str(row["donation_id"]): row["response_body"] for row in ours.stored}
    for promise in crowd.promises:
        audit.must(
            len(set(promise.bodies)) <= 1, f"key {promise.key} got two different final answers"
        )
        if promise.bodies:
            kept = bodies.get(promise.told[-1].donation_id)
            audit.must(
                kept is not None and bytes(kept) == promise.bodies[0],
                f"key {promise.key}: the stored answer is not the one that was given",
            )


def _by_donation(ours: Ours, charges: list[Row]) -> dict[str, list[Row]]:
    """The gateway's charges of each donation, by the order ids of its attempts."""
    donation_of = {a["attempt_id"].hex: str(a["payable_id"]) for a in ours.attempts}
    found: dict[str, list[Row]] = defaultdict(list)
    for charge in charges:
        if charge["order_id"] in donation_of:
            found[donation_of[charge["order_id"]]].append(charge)
    return found


def _last(promise: Promise) -> str:
    return promise.told[-1].status if promise.told else ""
