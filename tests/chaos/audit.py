"""Three truths side by side: what donors were told, our database, the gateway's own record.

Shares no code with `almoner check`: a mistake of that one would repeat itself here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import psycopg
from msgspec import Struct
from psycopg.rows import dict_row

from chaos.donors import RANK, Crowd, Promise

CAPTURED = ("SUBMITTED", "SETTLED", "DISPUTED")


class Audit(Struct):
    """How many of each, and every breach in words."""

    counts: dict[str, int] = {}
    breaches: list[str] = []

    def must(self, holds: bool, breach: str) -> None:
        """Note a breach unless it holds."""
        if not holds:
            self.breaches.append(breach)


def compare(crowd: Crowd, database_url: str, charges: list[dict[str, Any]]) -> Audit:
    """Everything that must be equal, and whatever is not."""
    audit = Audit({}, [])
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        attempts = connection.execute(
            "SELECT attempt_id, payable_id, state, amount_minor, gateway_transaction_id "
            "FROM payment_attempt"
        ).fetchall()
        stored = connection.execute(
            "SELECT donation_id, response_status, response_body FROM idempotency_record"
        ).fetchall()
        income = connection.execute(
            "SELECT coalesce(-sum(amount_minor), 0) AS minor FROM ledger_entry "
            "WHERE account LIKE 'charity_income:%%'"
        ).fetchone()
    _told_is_true(audit, crowd, attempts)
    _gateway_is_ours(audit, attempts, charges)
    _answers_are_stable(audit, crowd, stored)
    captured_minor = sum(_minor(c["amount"]) for c in charges if c["captured"])
    booked_minor = int(income["minor"]) if income else 0
    audit.must(
        captured_minor == booked_minor,
        f"the gateway captured {captured_minor}, the books say {booked_minor}",
    )
    audit.counts |= {
        "gifts begun": len(crowd.promises),
        "requests": sum(p.tries for p in crowd.promises),
        "donations in the database": len(stored),
        "attempts": len(attempts),
        "charges at the gateway": len(charges),
        "captured at the gateway": sum(1 for c in charges if c["captured"]),
        "captured in our books": sum(1 for a in attempts if a["state"] in CAPTURED),
        "donors told paid": sum(1 for p in crowd.promises if _last(p) == "success"),
        "donors told not charged": sum(1 for p in crowd.promises if _last(p) == "failure"),
        "asked 'did you mean two gifts?'": sum(1 for p in crowd.promises if p.refused),
        "minor units captured": captured_minor,
        "minor units booked": booked_minor,
    }
    return audit


def _told_is_true(audit: Audit, crowd: Crowd, attempts: list[dict[str, Any]]) -> None:
    by_donation: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for attempt in attempts:
        by_donation[str(attempt["payable_id"])].append(attempt)
    for promise in crowd.promises:
        who = f"key {promise.key}"
        audit.must(promise.is_final, f"{who} never heard what became of the gift")
        ids = {told.donation_id for told in promise.told}
        audit.must(len(ids) <= 1, f"{who} heard of {len(ids)} donations")
        ranks = [RANK[told.status] for told in promise.told]
        audit.must(ranks == sorted(ranks), f"{who} saw an older state after a newer one")
        finals = {t.status for t in promise.told if RANK[t.status] == 2}
        audit.must(len(finals) <= 1, f"{who} heard both {sorted(finals)}")
        captured = [
            a["gateway_transaction_id"]
            for donation_id in ids
            for a in by_donation[donation_id]
            if a["state"] in CAPTURED
        ]
        if ids:
            audit.must(bool(by_donation[next(iter(ids))]), f"{who}: acknowledged and lost")
        if "success" in finals:
            told = {t.transaction_id for t in promise.told if t.status == "success"}
            audit.must(told == set(captured), f"{who} was told {told}, captured is {captured}")
        if "failure" in finals:
            audit.must(not captured, f"{who} was told 'not charged' and paid {captured}")
        audit.must(len(captured) <= 1, f"{who} was charged {len(captured)} times")


def _gateway_is_ours(
    audit: Audit, attempts: list[dict[str, Any]], charges: list[dict[str, Any]]
) -> None:
    ours = {attempt["attempt_id"].hex: attempt for attempt in attempts}
    for charge in charges:
        attempt = ours.get(charge["order_id"])
        name = f"charge {charge['transaction_id']}"
        if attempt is None:
            audit.breaches.append(f"{name} belongs to no attempt of ours")
            continue
        audit.must(_minor(charge["amount"]) == attempt["amount_minor"], f"{name}: another amount")
        audit.must(
            charge["captured"] == (attempt["state"] in CAPTURED),
            f"{name}: captured {charge['captured']} there, {attempt['state']} here",
        )
    there = {charge["order_id"] for charge in charges if charge["captured"]}
    for order_id, attempt in ours.items():
        if attempt["state"] in CAPTURED:
            audit.must(order_id in there, f"attempt {order_id}: captured here only")
    paid = Counter(a["payable_id"] for a in attempts if a["state"] in CAPTURED)
    twice = [str(donation_id) for donation_id, count in paid.items() if count > 1]
    audit.must(not twice, f"donations charged twice: {twice[:5]}")


def _answers_are_stable(audit: Audit, crowd: Crowd, stored: list[dict[str, Any]]) -> None:
    bodies = {str(row["donation_id"]): row["response_body"] for row in stored}
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


def _last(promise: Promise) -> str:
    return promise.told[-1].status if promise.told and not promise.refused else ""


def _minor(amount: str) -> int:
    major, _, rest = amount.partition(".")
    return int(major) * 100 + int(rest or 0)
