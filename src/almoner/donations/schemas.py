"""What goes over the wire about donations: amounts as decimal text, times as RFC 3339."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class GiftPaid(Struct, frozen=True):
    """201: the gateway has taken the money."""

    donation_id: str
    status: Literal["success"]
    transaction_id: str
    donation_timestamp: str
    amount: str
    currency: str
    charity_id: int
    charity_name: str
    read_token: str


class GiftProcessing(Struct, frozen=True):
    """202: written down; what became of the charge is not known yet.

    `kept` says that this is the word of a journal: whoever tells it reaches no database, so it
    cannot know what another process has made of the gift. It is older than any end.
    """

    donation_id: str
    status: Literal["processing"]
    donation_timestamp: str
    amount: str
    currency: str
    charity_id: int
    charity_name: str
    read_token: str
    kept: bool


class GiftNotPaid(Struct, frozen=True):
    """402: proved that nothing was charged. `status` is the wire contract's word, not a number."""

    type: str
    title: str
    status: Literal["failure"]
    code: str
    error_message: str
    detail: str
    donation_id: str
    amount: str
    currency: str
    charity_id: int
    charity_name: str
    read_token: str
