"""The invariants that the database itself can show, each with the query that finds a breach.

Numbers are those of the list in `docs/money-safety.md`.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from almoner.operations import queries
from almoner.platform.db import Database

EXAMPLES_MAX: Final = 5


class Invariant(Struct, frozen=True):
    """What must hold, in a sentence, and the query whose rows break it."""

    number: int
    name: str
    sentence: str
    breaches: str


class Finding(Struct, frozen=True):
    """What a check found. `examples` are ids, never a person's data."""

    number: int
    name: str
    sentence: str
    holds: bool
    breaches: int
    examples: list[str]


INVARIANTS: Final = (
    Invariant(1, "captured_once", "A donation is captured at most once.", queries.CAPTURED_TWICE),
    Invariant(3, "key_has_donation", "Every idempotency record has its donation.",
              queries.KEY_WITHOUT_DONATION),
    Invariant(3, "donation_has_attempt", "Every donation has an attempt.",
              queries.DONATION_WITHOUT_ATTEMPT),
    Invariant(4, "attempt_for_same_sum", "An attempt is for its donation's amount.",
              queries.ATTEMPT_FOR_ANOTHER_SUM),
    Invariant(5, "one_live_attempt", "A donation has at most one live attempt.",
              queries.LIVE_TWICE),
    Invariant(6, "donation_has_key", "Every donation has its idempotency record.",
              queries.DONATION_WITHOUT_KEY),
    Invariant(6, "final_has_answer", "Every final attempt has its stored answer.",
              queries.FINAL_WITHOUT_ANSWER),
    Invariant(7, "told_paid_is_paid", "Who was told 'paid' has paid, by that transaction.",
              queries.TOLD_PAID_WITHOUT_CAPTURE),
    Invariant(7, "told_unpaid_is_unpaid", "Who was told 'not charged' was not charged.",
              queries.TOLD_UNPAID_WITH_CAPTURE),
    Invariant(8, "doubt_ends", "No charge is in doubt for more than eight days.",
              queries.DOUBT_TOO_OLD),
    Invariant(8, "doubt_is_scheduled", "Every charge in doubt has a time for its next look-up.",
              queries.DOUBT_FORGOTTEN),
    Invariant(9, "guards_in_place", "The database's own guards exist and are switched on.",
              queries.GUARD_MISSING),
    Invariant(10, "transfers_sum_to_zero", "Every ledger transfer sums to zero.",
              queries.TRANSFER_NOT_ZERO),
    Invariant(10, "posted_once", "A source is posted once.", queries.POSTED_TWICE),
    Invariant(11, "capture_is_posted", "Every capture is in the ledger, with its amount.",
              queries.CAPTURE_WITHOUT_POSTING),
    Invariant(11, "posting_is_captured", "Every posted capture was captured.",
              queries.POSTING_WITHOUT_CAPTURE),
    Invariant(12, "paid_is_told", "Every captured donation has exactly one `donation.paid` event.",
              queries.PAID_WITHOUT_ONE_EVENT),
)  # fmt: skip


async def examine(database: Database, invariant: Invariant) -> Finding:
    """Look for breaches. Raises DatabaseAway."""
    rows = await database.fetch_all(
        f"SELECT count(*) OVER () AS breaches, * FROM ({invariant.breaches}) AS b (id) "
        f"LIMIT {EXAMPLES_MAX}"
    )
    return Finding(
        invariant.number,
        invariant.name,
        invariant.sentence,
        not rows,
        rows[0]["breaches"] if rows else 0,
        [row["id"] for row in rows],
    )
