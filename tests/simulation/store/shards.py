"""Which partition a donor's rows lie in: PostgreSQL's hash partitioning, for one uuid column.

The relay works partition by partition, so the simulation has to cut as PostgreSQL does
(`hash_bytes_extended` and `compute_partition_hash_value` in its source).
"""

from __future__ import annotations

import functools
import struct
from typing import Final
from uuid import UUID

from almoner.platform.shards import SHARDS

_SEED: Final = 0x7A5B22367996DCFD
_32: Final = 0xFFFFFFFF
_64: Final = 0xFFFFFFFFFFFFFFFF


@functools.cache
def shard_of(donor_id: UUID) -> int:
    """The number of the partition."""
    hashed = _hash(donor_id.bytes)
    return ((hashed + 0x49A0F4DD15E5A8E3) & _64) % SHARDS


def _hash(data: bytes) -> int:
    """Bob Jenkins' hash of sixteen bytes, with PostgreSQL's seed for partitions."""
    one, two, three, four = struct.unpack("<4I", data)
    a = b = c = (0x9E3779B9 + 16 + 3923095) & _32
    a, b, c = _mix((a + (_SEED >> 32)) & _32, (b + (_SEED & _32)) & _32, c)
    a, b, c = _mix((a + one) & _32, (b + two) & _32, (c + three) & _32)
    b, c = _final((a + four) & _32, b, c)
    return (b << 32) | c


def _rotated(x: int, by: int) -> int:
    return ((x << by) | (x >> (32 - by))) & _32


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for by in (4, 6, 8, 16, 19, 4):
        a = ((a - c) & _32) ^ _rotated(c, by)
        c = (c + b) & _32
        a, b, c = b, c, a
    return a, b, c


def _final(a: int, b: int, c: int) -> tuple[int, int]:
    c = ((c ^ b) - _rotated(b, 14)) & _32
    a = ((a ^ c) - _rotated(c, 11)) & _32
    b = ((b ^ a) - _rotated(a, 25)) & _32
    c = ((c ^ b) - _rotated(b, 16)) & _32
    a = ((a ^ c) - _rotated(c, 4)) & _32
    b = ((b ^ a) - _rotated(a, 14)) & _32
    c = ((c ^ b) - _rotated(b, 24)) & _32
    return b, c
