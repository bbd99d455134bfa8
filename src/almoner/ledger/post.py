"""Post transfers: every one of them sums to zero, and each source is posted once."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.ledger import queries
from almoner.ledger.transfer import Transfer
from almoner.platform.db import Connection


async def post(connection: Connection, transfers: Sequence[Transfer]) -> None:
    """Write both legs of each, inside the caller's transaction.

    A debit is positive and a credit negative. Raises UniqueViolation when a source was posted
    before: the caller's whole change is then a repetition, and must not happen.
    """
    await queries.insert_transfers(connection, transfers)
