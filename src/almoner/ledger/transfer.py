"""What is posted in the books."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from almoner.money import Money


class Transfer(Struct, frozen=True):
    """Money that moves from one account to another because of one source.

    The source is what makes it happen, such as the capture of an attempt. `transfer_id` must be
    derived from it, so that the same source cannot be posted twice.
    """

    transfer_id: UUID
    donor_id: UUID
    debit: str
    credit: str
    money: Money
    source_kind: str
    source_id: UUID
    posted_ms: int
