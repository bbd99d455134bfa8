"""The second copy of every record, in Valkey, for an installation that wants two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from almoner.platform.cache import CACHE_AWAY, Cache
from almoner.platform.journal.errors import CopyNotTaken

_SEGMENTS: Final = "almoner:journal:segments"


class Copies(Protocol):
    """Where a record's second copy is kept until the segment is drained."""

    async def put(self, segment_id: UUID, frames: Sequence[tuple[int, bytes]]) -> None:
        """Keep frames, by sequence. Raises CopyNotTaken; then none of them counts."""
        ...

    async def forget(self, segment_id: UUID) -> None:
        """The segment is drained. What cannot be forgotten now does no harm."""
        ...


class NoCopies:
    """An acknowledgement needs the file alone."""

    async def put(self, segment_id: UUID, frames: Sequence[tuple[int, bytes]]) -> None:
        """See `Copies.put`."""

    async def forget(self, segment_id: UUID) -> None:
        """See `Copies.forget`."""


class ValkeyCopies:
    """A hash for each segment: the sequence, and the frame as it stands in the file."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def put(self, segment_id: UUID, frames: Sequence[tuple[int, bytes]]) -> None:
        """See `Copies.put`."""
        try:
            async with self._cache.pipeline(transaction=True) as pipe:
                pipe.sadd(_SEGMENTS, segment_id.hex)
                pipe.hset(_key(segment_id), mapping={str(n): frame for n, frame in frames})
                await pipe.execute()
        except CACHE_AWAY:
            await self._take_back(segment_id, frames)
            raise CopyNotTaken("valkey_away") from None

    async def forget(self, segment_id: UUID) -> None:
        """See `Copies.forget`. The positions in the database keep it from being drained again."""
        try:
            async with self._cache.pipeline(transaction=True) as pipe:
                pipe.srem(_SEGMENTS, segment_id.hex)
                pipe.unlink(_key(segment_id))
                await pipe.execute()
        except CACHE_AWAY:
            return

    async def segments(self) -> list[UUID]:
        """The segments that have copies here. Raises one of CACHE_AWAY."""
        members: Any = await self._cache.smembers(_SEGMENTS)
        return sorted(UUID(member.decode()) for member in members)

    async def read(self, segment_id: UUID) -> list[bytes]:
        """The frames of a segment in order. Raises one of CACHE_AWAY."""
        found: Any = await self._cache.hgetall(_key(segment_id))
        return [frame for _, frame in sorted((int(n), frame) for n, frame in found.items())]

    async def _take_back(self, segment_id: UUID, frames: Sequence[tuple[int, bytes]]) -> None:
        """The copies may have been taken although no answer came."""
        try:
            await self._cache.hdel(_key(segment_id), *(str(n) for n, _ in frames))
        except CACHE_AWAY:
            return


def _key(segment_id: UUID) -> str:
    return f"almoner:journal:segment:{segment_id.hex}"
