"""What the invariants look at: everything, or what changed since a time."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from msgspec import Struct, field

from almoner.operations.match_gateway import Match, MatchedGateway
from almoner.platform import arrays
from almoner.platform.clock import rfc3339
from almoner.platform.db import Database

_CHANGED: Final = """
    SELECT a.payable_id AS donation_id
    FROM gateway_operation AS o JOIN payment_attempt AS a ON a.attempt_id = o.attempt_id
    WHERE o.operation_id >= '{operations_from}'
    UNION
    SELECT donation_id FROM donation WHERE created_at >= '{since}'
    UNION
    SELECT donation_id FROM idempotency_record WHERE created_at >= '{since}'
"""
"""The donations of which something was written: new ones, and those with a new operation, as what
moves an attempt writes one, whose id begins with its time. A stamp that is withdrawn unsent writes
none, minutes after the donation is made. What is written otherwise, a look at everything sees."""

CHANGED_MAX: Final = 20_000
"""Up to so many donations are named in each statement, so that the planner knows how few they are.
More are found by each statement itself."""

_NAMED: Final = """
    SELECT * FROM unnest('{donations}'::uuid[]) AS c (donation_id)
"""

_EVERYTHING: Final = {
    "donations": "donation",
    "records": "idempotency_record",
    "attempts": "payment_attempt",
    "operations": "gateway_operation",
    "entries": "ledger_entry",
    "events": "event",
}

_CHANGED_ONLY: Final = {
    "donations": "(SELECT d.* FROM changed JOIN donation AS d USING (donation_id))",
    "records": "(SELECT r.* FROM changed JOIN idempotency_record AS r USING (donation_id))",
    "attempts": """(SELECT p.* FROM changed
        JOIN payment_attempt AS p ON p.payable_id = changed.donation_id)""",
    "operations": """(SELECT o.* FROM changed
        JOIN payment_attempt AS p ON p.payable_id = changed.donation_id
        JOIN gateway_operation AS o ON o.attempt_id = p.attempt_id)""",
    "entries": """(SELECT l.* FROM ledger_entry AS l WHERE l.transfer_id IN (
            SELECT f.transfer_id FROM changed
            JOIN payment_attempt AS p ON p.payable_id = changed.donation_id
            JOIN ledger_entry AS f ON f.source_id = p.attempt_id AND f.leg = 1
            UNION SELECT transfer_id FROM ledger_entry WHERE posted_at >= '{since}'))""",
    "events": "(SELECT e.* FROM changed JOIN event AS e USING (donation_id))",
}
"""Joined by one column, although the donor's id would name the partition: of two columns the
planner thinks that each narrows the other down, expects one row, and then compares all with all."""


class View(Struct):
    """What to look at, and with what.

    `since_ms` (milliseconds since 1970) narrows the look to donations of which something was
    written since then; None looks at everything. `nightly` adds the checks that have no such short
    form, `deep` those that read every row of every table. Without a gateway nothing is compared
    with its record; `match` is filled by that comparison.
    """

    database: Database
    gateway: MatchedGateway | None = None
    since_ms: int | None = None
    nightly: bool = True
    deep: bool = False
    match: Match = field(default_factory=Match)
    changed: str | None = None
    """What changed, as a statement; found once, when it is first needed."""

    async def sql(self, template: str) -> str:
        """A check's statement for this view. Raises DatabaseAway.

        `{attempts}`, `{donations}`, `{records}`, `{operations}`, `{entries}` and `{events}` become
        the tables, or the part of them that belongs to what changed.
        """
        if self.since_ms is None:
            return _filled(template, _EVERYTHING)
        times = {
            "since": rfc3339(self.since_ms),
            "operations_from": UUID(int=self.since_ms << 80),
        }
        if self.changed is None:
            self.changed = await self._find_changed(_filled(_CHANGED, times))
        parts = {name: _filled(sql, times) for name, sql in _CHANGED_ONLY.items()}
        return f"WITH changed AS MATERIALIZED ({self.changed}) {_filled(template, parts)}"

    async def _find_changed(self, statement: str) -> str:
        rows = await self.database.fetch_all(f"{statement} LIMIT {CHANGED_MAX + 1}")
        if len(rows) > CHANGED_MAX:
            return statement
        return _filled(_NAMED, {"donations": arrays.uuids(row["donation_id"] for row in rows)})


def _filled(template: str, parts: dict[str, Any]) -> str:
    """Fill in named parts only: a statement may have braces of its own."""
    for name, part in parts.items():
        template = template.replace(f"{{{name}}}", str(part))
    return template
