"""What our database and the gateway's own record say in the end, read by SQL of the audit's own."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import psycopg
from msgspec import Struct
from psycopg.rows import dict_row

CAPTURED = ("SUBMITTED", "SETTLED", "DISPUTED")
"""States of an attempt of ours that holds the donor's money."""

GIVEN_BACK = ("voided", "refunded")
"""States of a charge of the gateway whose money the donor has again, because we asked for it."""

TAKEN_BACK = "settlement_failed"
"""State of a charge that the donor's bank took back before it was paid out."""

Row = dict[str, Any]

_OURS = {
    "attempts": "SELECT attempt_id, payable_id, state, amount_minor, gateway_transaction_id "
    "FROM payment_attempt",
    "stored": "SELECT donation_id, response_status, response_body FROM idempotency_record",
    "returns": "SELECT attempt_id, gateway_transaction_id, reason, done_at FROM money_return",
    "drained": "SELECT donation_id, result FROM journal_drained",
    "webhooks": "SELECT external_id, processed_at, parked_at FROM webhook",
    "income": "SELECT coalesce(-sum(amount_minor), 0)::bigint AS minor FROM ledger_entry "
    "WHERE account LIKE 'charity_income:%'",
    "doubts": "SELECT count(DISTINCT attempt_id) AS count FROM gateway_operation "
    "WHERE outcome = 'UNKNOWN'",
    "adopted": "SELECT count(DISTINCT attempt_id) AS count FROM gateway_operation "
    "WHERE gateway_code = 'adopted'",
}


class Ours(Struct):
    """What our database says."""

    attempts: list[Row]
    stored: list[Row]
    returns: list[Row]
    drained: list[Row]
    webhooks: list[Row]
    income_minor: int
    doubts: int
    adopted: int

    def of_donations(self) -> dict[str, list[Row]]:
        """The attempts of each donation."""
        found: dict[str, list[Row]] = defaultdict(list)
        for attempt in self.attempts:
            found[str(attempt["payable_id"])].append(attempt)
        return found


def read_ours(database_url: str) -> Ours:
    """Read it in one snapshot."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        rows = {name: connection.execute(sql.encode()).fetchall() for name, sql in _OURS.items()}
    return Ours(
        rows["attempts"],
        rows["stored"],
        rows["returns"],
        rows["drained"],
        rows["webhooks"],
        int(rows["income"][0]["minor"]),
        int(rows["doubts"][0]["count"]),
        int(rows["adopted"][0]["count"]),
    )


def minor(amount: str) -> int:
    """An amount of the gateway's record in minor units; all gifts here are in dollars."""
    major, _, rest = amount.partition(".")
    return int(major) * 100 + int(rest or 0)
