"""Report what the journal's folder holds, for people."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from almoner.donations import queries
from almoner.donations.drain import Segments
from almoner.platform.db import Database
from almoner.platform.errors import Unavailable
from almoner.platform.journal.errors import Unreadable
from almoner.platform.journal.orphans import Contents, read_segment


class SegmentReport(Struct, frozen=True):
    """One segment.

    `held` says that a living process writes it. `drained` is how many of its records are in the
    database, None when that could not be asked. `state` is whole, torn, damaged, or locked with
    another secret key.
    """

    segment: str
    held: bool
    records: int
    drained: int | None
    bytes: int
    state: str


class JournalReport(Struct, frozen=True):
    """All segments of the folder, the oldest first."""

    segments: list[SegmentReport]
    damaged: int
    waiting: int | None


async def report_journal(database: Database, segments: Segments) -> JournalReport:
    """What is in the folder. Raises OSError when it cannot be read."""
    found = [await _report(database, segments, name) for name in await segments.files.names()]
    known = [s.records - s.drained for s in found if s.drained is not None]
    return JournalReport(
        segments=found,
        damaged=sum(s.state not in {"whole", "torn"} for s in found),
        waiting=sum(known) if len(known) == len(found) else None,
    )


async def _report(database: Database, segments: Segments, name: str) -> SegmentReport:
    contents = read_segment(await segments.files.read(name))
    return SegmentReport(
        segment=name,
        held=await _is_held(segments, name),
        records=len(contents.records),
        drained=await _drained(database, contents.segment_id),
        bytes=contents.bytes_all,
        state=_state(segments, contents),
    )


async def _is_held(segments: Segments, name: str) -> bool:
    file = await segments.files.adopt(name)
    if file is None:
        return True
    file.close()
    return False


async def _drained(database: Database, segment_id: UUID | None) -> int | None:
    try:
        return 0 if segment_id is None else await queries.count_drained(database, segment_id)
    except Unavailable:
        return None


def _state(segments: Segments, contents: Contents) -> str:
    if contents.segment_id is not None and contents.records:
        first = contents.records[0]
        place = (contents.segment_id, first.sequence, first.previous)
        try:
            segments.sealer.open(*place, first.payload)
        except Unreadable:
            return "other_key"
    return contents.tail.value
