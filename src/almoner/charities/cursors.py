"""Cursors: where a page ended, signed, so that nobody can make one up."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from msgspec import Struct

from almoner.charities.errors import BrokenCursor
from almoner.charities.schemas import Filters
from almoner.platform.ids import Tokens

_SIGNATURE_LENGTH = 16


class Position(Struct, frozen=True, array_like=True):
    """The last row of a page. `stage` is the part of a search it came from, 0 for the list."""

    stage: int
    charity_id: int
    sort_key: str = ""
    score: int = 0


class Cursors:
    """Turns positions into text and back."""

    def __init__(self, secret_key: str) -> None:
        self._tokens = Tokens(secret_key, "charity-cursor")

    def write(self, filters: Filters, position: Position) -> str:
        """The cursor of the page that follows `position`."""
        payload = urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")
        return f"{payload}.{self._sign(filters, payload)}"

    def read(self, filters: Filters, cursor: str) -> Position:
        """The position in a cursor. Raises BrokenCursor for one not made for these filters."""
        payload, _, signature = cursor.partition(".")
        if not cursor.isascii() or self._sign(filters, payload) != signature:
            raise BrokenCursor
        try:
            text = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
            return msgspec.json.decode(text, type=Position)
        except (binascii.Error, msgspec.DecodeError):
            raise BrokenCursor from None

    def _sign(self, filters: Filters, payload: str) -> str:
        text = msgspec.json.encode([filters, payload]).decode()
        return self._tokens.sign(text)[:_SIGNATURE_LENGTH]
