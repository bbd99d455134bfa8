"""Identifiers, made by us before anything is sent anywhere (RFC 9562)."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Final
from uuid import UUID

from almoner.platform.clock import now_ms, random_bytes

_TIME_BITS: Final = 80
_PLAUSIBLE_MS: Final = range(1_600_000_000_000, 4_000_000_000_000)


def new_id() -> UUID:
    """A UUIDv7: sorts by the time it was made."""
    return _shape(int.from_bytes(random_bytes(16)), version=7, at_ms=now_ms())


class IdDeriver:
    """Ids that follow from a secret and from what they stand for.

    The same input gives the same id on every node, also while the database is away; without the
    secret nobody can tell an id's input from the id.
    """

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), b"almoner/ids", hashlib.sha256)

    def derive(self, *parts: str, at_ms: int | None = None) -> UUID:
        """The id of `parts`; a UUIDv7 that sorts by `at_ms` if given, else a UUIDv8."""
        text = "\x1f".join(parts).encode()
        bits = int.from_bytes(hmac.digest(self._key, text, hashlib.sha256)[:16])
        return _shape(bits, version=8 if at_ms is None else 7, at_ms=at_ms)


class Tokens:
    """Short proofs that we said something, such as the right to read one donation."""

    def __init__(self, secret_key: str, purpose: str) -> None:
        self._key = hmac.digest(secret_key.encode(), f"almoner/{purpose}".encode(), hashlib.sha256)

    def sign(self, text: str) -> str:
        """The token of `text`: 32 characters, safe in an URL."""
        return urlsafe_b64encode(
            hmac.digest(self._key, text.encode(), hashlib.sha256)[:24]
        ).decode()

    def verify(self, text: str, token: str) -> bool:
        """Whether `token` is the token of `text`, in constant time."""
        return hmac.compare_digest(self.sign(text).encode(), token.encode(errors="replace"))


def time_of(value: UUID) -> int | None:
    """Milliseconds since 1970 in a UUIDv7 of a plausible time, else None."""
    if value.version != 7:
        return None
    at_ms = value.int >> _TIME_BITS
    return at_ms if at_ms in _PLAUSIBLE_MS else None


def _shape(bits: int, *, version: int, at_ms: int | None) -> UUID:
    head = bits >> _TIME_BITS if at_ms is None else at_ms
    rand_a, rand_b = (bits >> 62) & 0xFFF, bits & ((1 << 62) - 1)
    return UUID(int=(head << 80) | (version << 76) | (rand_a << 64) | (0b10 << 62) | rand_b)
