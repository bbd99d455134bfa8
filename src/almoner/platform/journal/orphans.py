"""Segments that processes left behind, and what every segment of a folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from almoner.platform.journal.files import SegmentFile, SegmentFiles
from almoner.platform.journal.frames import Sealed, Tail, begin


class Contents(Struct, frozen=True):
    """What a segment holds. Without an id its very header is damaged."""

    segment_id: UUID | None
    records: Sequence[Sealed]
    tail: Tail
    bytes_good: int
    bytes_all: int


class Orphan(Struct, frozen=True):
    """A segment whose process has ended, held by this one now."""

    file: SegmentFile
    contents: Contents


def read_segment(data: bytes) -> Contents:
    """What the bytes of a segment hold, whatever they are."""
    if not data:
        return Contents(None, [], Tail.TORN, 0, 0)
    chain = begin(data)
    if chain is None:
        return Contents(None, [], Tail.DAMAGED, 0, len(data))
    records = list(chain.follow(data))
    return Contents(chain.segment_id, records, chain.tail, chain.offset, len(data))


async def adopt_orphans(files: SegmentFiles) -> list[Orphan]:
    """Take over every segment that no living process holds, the oldest first.

    One that the disk does not give back counts as damaged. Raises OSError when the folder itself
    cannot be read.
    """
    found = []
    for name in await files.names():
        file = await files.adopt(name)
        if file is None:
            continue
        try:
            contents = read_segment(await file.read(0))
        except OSError:
            contents = Contents(None, [], Tail.DAMAGED, 0, 0)
        found.append(Orphan(file, contents))
    return found
