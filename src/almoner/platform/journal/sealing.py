"""Encrypt what the journal holds, so that the disk knows no name, no address and no nonce."""

from __future__ import annotations

import struct
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from almoner.platform.clock import random_bytes
from almoner.platform.journal.errors import Unreadable

_NONCE_BYTES: Final = 12
_PLACE: Final = struct.Struct(">16sQ32s")


class Sealer:
    """AES-256-GCM with a key for each segment (HKDF, RFC 5869) and a fresh nonce for each record.

    The record's place is sealed with it: one that was moved, or chained to another, does not open.
    """

    def __init__(self, secret_key: str) -> None:
        self._secret = secret_key.encode()
        self._ciphers: dict[UUID, AESGCM] = {}

    def seal(self, segment_id: UUID, sequence: int, previous: bytes, payload: bytes) -> bytes:
        """Nonce, ciphertext and tag of a payload at its place."""
        nonce = random_bytes(_NONCE_BYTES)
        place = _PLACE.pack(segment_id.bytes, sequence, previous)
        return nonce + self._cipher(segment_id).encrypt(nonce, payload, place)

    def open(self, segment_id: UUID, sequence: int, previous: bytes, sealed: bytes) -> bytes:
        """The payload. Raises Unreadable when it was not sealed with this key at this place."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        place = _PLACE.pack(segment_id.bytes, sequence, previous)
        try:
            return self._cipher(segment_id).decrypt(nonce, rest, place)
        except (InvalidTag, ValueError):
            raise Unreadable(f"record {sequence} of {segment_id} does not open") from None

    def _cipher(self, segment_id: UUID) -> AESGCM:
        cipher = self._ciphers.get(segment_id)
        if cipher is None:
            key = HKDF(
                algorithm=SHA256(), length=32, salt=segment_id.bytes, info=b"almoner/journal/1"
            ).derive(self._secret)
            cipher = self._ciphers[segment_id] = AESGCM(key)
        return cipher
