"""What stays true of a donation, whatever becomes of its charge."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from almoner.money import Money


class DonationFacts(Struct, frozen=True):
    """Enough of a donation to answer with it and to book it. `created_ms` is since 1970."""

    donation_id: UUID
    donor_id: UUID
    charity_id: int
    charity_slug: str
    charity_name: str
    money: Money
    created_ms: int
