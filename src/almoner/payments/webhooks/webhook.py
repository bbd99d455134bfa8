"""One webhook, as it is stored."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from almoner.payments.gateway import Seen


class Webhook(Struct, frozen=True):
    """One delivery of an event, told from others by gateway and external id.

    `payload` are the raw bytes, kept for a month as evidence; nothing of it is believed.
    """

    webhook_id: UUID
    gateway: str
    external_id: str
    kind: str
    order_ids: tuple[str, ...]
    claims: Seen | None
    payload: bytes
    received_ms: int


class Waiting(Struct, frozen=True):
    """A webhook that is to be worked off. `tries` counts this time."""

    webhook_id: UUID
    gateway: str
    order_ids: list[str]
    claims: Seen | None
    tries: int
