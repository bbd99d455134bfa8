"""Settings of what the worker does with events and with the books. See `settings.py`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Relay(Struct, frozen=True):
    """How the worker tells others what happened."""

    relay_pause_ms: Annotated[
        int, Meta(description="Pause between two looks into the outbox.", ge=10, le=60_000)
    ] = 200


class Books(Struct, frozen=True):
    """How the worker keeps the books: seals, settlement reports, the match with the gateway."""

    ledger_seal_s: Annotated[
        int, Meta(description="Pause between two rounds of sealing the ledger.", ge=1, le=3_600)
    ] = 15
    settlement_import_minutes: Annotated[
        int, Meta(description="How often the gateway is asked for new payouts.", ge=1, le=1_440)
    ] = 60
    match_hours: Annotated[
        int, Meta(description="How often attempts, charges and payouts are compared.", ge=1, le=168)
    ] = 24
    payout_days_max: Annotated[
        int,
        Meta(
            description="Age of a charge at which it counts as a difference not to be paid out.",
            ge=1,
            le=90,
        ),
    ] = 10
