"""What is told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct


class Event(Struct, frozen=True):
    """Something that happened to a donation.

    `kind` is in the past tense; `payload` carries ids, amounts and codes, never a person's data.
    """

    event_id: UUID
    donor_id: UUID
    donation_id: UUID
    kind: str
    payload: dict[str, Any]
    occurred_ms: int
