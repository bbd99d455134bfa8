"""The bytes of a segment: a header, then frames, each chained to the one before it.

    header  8 bytes "ALMJRNL1", 16 segment id, 8 time made (ms since 1970), 4 CRC-32
    frame   4 bytes mark, 4 length of the body, 4 CRC-32 of length and body, body
    body    1 byte kind, 8 sequence, 8 synced, 32 SHA-256 of the record before, sealed payload

All numbers are big-endian. A frame is a record, or a note without payload. `synced` is the last
sequence that was on the disk for certain when the frame was written: it is how a write that was
interrupted, which nobody was told of, can be told from damage to what was acknowledged.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Final
from uuid import UUID

from msgspec import Struct

MAGIC: Final = b"ALMJRNL1"
MARK: Final = b"\xf5Jr\n"
BODY_BYTES_MAX: Final = 64 * 1024

_HEADER: Final = struct.Struct(">8s16sQ")
_CRC: Final = struct.Struct(">I")
_PREFIX: Final = struct.Struct(">4sII")
_BODY: Final = struct.Struct(">BQQ32s")
_RECORD: Final = 1
_NOTE: Final = 2

HEADER_BYTES: Final = _HEADER.size + _CRC.size


class Tail(StrEnum):
    """What stands behind the last good record."""

    WHOLE = "whole"
    """Nothing."""
    TORN = "torn"
    """The rest of one write that was interrupted; nobody was told that it is kept."""
    DAMAGED = "damaged"
    """Something that was acknowledged and cannot be read any more."""


class Sealed(Struct, frozen=True):
    """A record as it stands in the file. `hash` is what the next one is chained to."""

    sequence: int
    previous: bytes
    payload: bytes
    hash: bytes


class Chain(Struct):
    """How far a segment was followed: the next offset, and what a record there must say."""

    segment_id: UUID
    offset: int
    last_hash: bytes
    sequence: int = 0
    tail: Tail = Tail.WHOLE

    def follow(self, data: bytes, start: int = 0) -> Iterator[Sealed]:
        """The records from `offset` on; `data` begins at the file's offset `start`.

        Ends at the first byte that is no good frame, and says in `tail` what that means.
        """
        self.tail = Tail.WHOLE
        while self.offset - start < len(data):
            found = _frame_at(data, self.offset - start)
            if found is None:
                self.tail = self._verdict(data, self.offset - start)
                return
            kind, sequence, _, previous, payload, end = found
            if kind == _NOTE and sequence == self.sequence and previous == self.last_hash:
                self.offset = start + end
                continue
            if kind != _RECORD or sequence != self.sequence + 1 or previous != self.last_hash:
                self.tail = Tail.DAMAGED
                return
            self.last_hash = hashlib.sha256(data[self.offset - start : end]).digest()
            self.sequence, self.offset = sequence, start + end
            yield Sealed(sequence, previous, payload, self.last_hash)

    def _verdict(self, data: bytes, at: int) -> Tail:
        """Torn, unless something behind it knows that the missing record was on the disk."""
        while (at := data.find(MARK, at + 1)) >= 0:
            found = _frame_at(data, at)
            if found is not None and found[2] > self.sequence:
                return Tail.DAMAGED
        return Tail.TORN


def header(segment_id: UUID, made_ms: int) -> bytes:
    """The beginning of a segment."""
    text = _HEADER.pack(MAGIC, segment_id.bytes, made_ms)
    return text + _CRC.pack(zlib.crc32(text))


def begin(data: bytes) -> Chain | None:
    """The chain that a segment's header begins; None when it is no header of ours."""
    text = data[: _HEADER.size]
    if len(data) < HEADER_BYTES or _CRC.unpack_from(data, _HEADER.size)[0] != zlib.crc32(text):
        return None
    magic, segment_id, _ = _HEADER.unpack(text)
    if magic != MAGIC:
        return None
    return Chain(UUID(bytes=segment_id), HEADER_BYTES, hashlib.sha256(text).digest())


def record(sequence: int, synced: int, previous: bytes, payload: bytes) -> tuple[bytes, bytes]:
    """The frame of a record, and its hash. Raises ValueError for a payload that is too long."""
    frame = _framed(_BODY.pack(_RECORD, sequence, synced, previous) + payload)
    return frame, hashlib.sha256(frame).digest()


def note(sequence: int, previous: bytes) -> bytes:
    """The frame that says: everything up to here is on the disk."""
    return _framed(_BODY.pack(_NOTE, sequence, sequence, previous))


def lone_record(frame: bytes) -> Sealed | None:
    """The record of a frame that stands alone, as a copy does; None if it is none."""
    found = _frame_at(frame, 0)
    if found is None or found[0] != _RECORD or found[5] != len(frame):
        return None
    _, sequence, _, previous, payload, _ = found
    return Sealed(sequence, previous, payload, hashlib.sha256(frame).digest())


def _framed(body: bytes) -> bytes:
    if len(body) > BODY_BYTES_MAX:
        raise ValueError("a record of the journal holds at most 64 KiB")
    length = _CRC.pack(len(body))
    return MARK + length + _CRC.pack(zlib.crc32(body, zlib.crc32(length))) + body


def _frame_at(data: bytes, at: int) -> tuple[int, int, int, bytes, bytes, int] | None:
    """Kind, sequence, synced, previous hash, payload, and where it ends; None if it is not one."""
    if len(data) - at < _PREFIX.size:
        return None
    mark, length, crc = _PREFIX.unpack_from(data, at)
    start, end = at + _PREFIX.size, at + _PREFIX.size + length
    if mark != MARK or not _BODY.size <= length <= BODY_BYTES_MAX or end > len(data):
        return None
    body = data[start:end]
    if zlib.crc32(body, zlib.crc32(data[at + 4 : at + 8])) != crc:
        return None
    kind, sequence, synced, previous = _BODY.unpack_from(body)
    return kind, sequence, synced, previous, body[_BODY.size :], end
