"""Lose what the database holds, and bring it back from the gateway."""

from __future__ import annotations

from almoner.operations.recovery.rebuild import Result
from support.installation import Installation
from support.tamper import tamper

TABLES = (
    "ledger_entry", "event", "gateway_operation", "payment_attempt", "donation",
    "idempotency_record", "donor",
)  # fmt: skip


def lose_everything(almoner: Installation) -> None:
    """As if the database had been restored to a time before the first gift."""
    tamper(almoner.settings.servers.database_url, *(f"DELETE FROM {table}" for table in TABLES))


async def rebuild(almoner: Installation, **assigned: int) -> Result:
    """What the command does."""
    rebuilding = almoner.work.rebuilding(assigned)
    result = await rebuilding.run()
    while await almoner.work.resolver.sweep():
        pass
    result.released += await rebuilding.release()
    return result
