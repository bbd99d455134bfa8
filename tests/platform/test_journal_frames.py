"""The journal's reader, given whatever fits its frames and whatever does not."""

from __future__ import annotations

import hashlib
import struct
import zlib
from uuid import UUID

from hypothesis import example, given, settings
from hypothesis import strategies as st

from almoner.donations.kept import KeptIntent, read_payload
from almoner.platform.journal.errors import Unreadable
from almoner.platform.journal.frames import MARK, Tail, header, lone_record, note, record
from almoner.platform.journal.orphans import read_segment
from almoner.platform.journal.sealing import Sealer

SEGMENT = UUID("01a20694-0000-7000-8000-000000000001")
HEADER = header(SEGMENT, 1_767_225_600_000)
FIRST_HASH = hashlib.sha256(HEADER[:-4]).digest()
SEALER = Sealer("a secret key for the tests of the journal")
NUMBERS = st.integers(0, 5) | st.integers(0, 2**64 - 1)


def forged(kind: int, sequence: int, synced: int, previous: bytes, payload: bytes) -> bytes:
    """A frame whose checksum is right, whatever it says."""
    body = struct.pack(">BQQ32s", kind, sequence, synced, previous) + payload
    length = struct.pack(">I", len(body))
    return MARK + length + struct.pack(">I", zlib.crc32(body, zlib.crc32(length))) + body


frames = st.builds(
    forged,
    st.integers(0, 3) | st.integers(0, 255),
    NUMBERS,
    NUMBERS,
    st.just(FIRST_HASH) | st.binary(min_size=32, max_size=32),
    st.binary(max_size=40),
)
"""Frames with right checksums: also such as would be the first or the second record."""


def unreadable_or(payload: bytes) -> KeptIntent | None:
    """What a payload holds, if anything."""
    try:
        return read_payload(payload)
    except Unreadable:
        return None


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(frames | st.binary(max_size=60) | st.just(MARK), max_size=6).map(b"".join))
def test_what_follows_a_good_header_is_a_chain_or_not_believed(rest: bytes) -> None:
    """Frames with right checksums and any numbers, marks and noise between them: what is read is
    numbered from one and chained to what stands before it, and none of it opens without our key."""
    contents = read_segment(HEADER + rest)

    previous = FIRST_HASH
    for number, one in enumerate(contents.records, 1):
        assert (one.sequence, one.previous) == (number, previous)
        previous = one.hash
        try:
            SEALER.open(SEGMENT, one.sequence, one.previous, one.payload)
        except Unreadable:
            continue
        raise AssertionError("a record that nobody sealed was opened")
    assert contents.segment_id == SEGMENT
    assert (contents.tail is Tail.WHOLE) == (contents.bytes_good == contents.bytes_all)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    payloads=st.lists(st.binary(max_size=30), min_size=1, max_size=5),
    cut=st.integers(0, 400),
    put=st.binary(max_size=80) | frames,
    notes=st.booleans(),
)
def test_what_is_put_behind_good_records_never_changes_them(
    payloads: list[bytes], cut: int, put: bytes, *, notes: bool
) -> None:
    """A segment cut anywhere and followed by anything: a first part of what was written, opened to
    the same bytes, and never one record more."""
    data, previous = HEADER, FIRST_HASH
    for number, payload in enumerate(payloads, 1):
        sealed = SEALER.seal(SEGMENT, number, previous, payload)
        frame, previous = record(number, number - 1, previous, sealed)
        data += frame + (note(number, previous) if notes else b"")
    kept = data[: max(len(HEADER), len(data) - cut)]

    contents = read_segment(kept + put)

    opened = []
    for one in contents.records:
        try:
            opened.append(SEALER.open(SEGMENT, one.sequence, one.previous, one.payload))
        except Unreadable:
            break
    assert opened == payloads[: len(opened)]
    whole = sum(len(kept) >= end for end in ends(payloads, notes=notes))
    assert len(opened) >= whole


def ends(payloads: list[bytes], *, notes: bool) -> list[int]:
    """Where each record ends in a segment of these payloads."""
    found, at = [], len(HEADER)
    for payload in payloads:
        at += 12 + 49 + 12 + len(payload) + 16
        found.append(at)
        at += 12 + 49 if notes else 0
    return found


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=200) | frames | st.builds(lambda a, b: a + b, frames, frames))
def test_a_copy_is_one_whole_record_or_nothing(data: bytes) -> None:
    """What Valkey gives back may be anything."""
    found = lone_record(data)

    assert found is None or found.hash == hashlib.sha256(data).digest()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.binary(max_size=100)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=6,
    ).map(lambda value: repr(value).replace("'", '"').encode(errors="replace"))
)
@example(b"[" * 100_000)
@example(b'{"first_name": "\xff\xfe"}')
def test_what_was_opened_and_holds_no_gift_is_unreadable(payload: bytes) -> None:
    """Another version's record, or anything else: the drain stops there and pages."""
    assert unreadable_or(payload) is None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=80), NUMBERS)
def test_what_nobody_sealed_does_not_open(sealed: bytes, sequence: int) -> None:
    """Too short for a nonce, or any bytes at all."""
    try:
        SEALER.open(SEGMENT, sequence, FIRST_HASH, sealed)
    except Unreadable:
        return
    raise AssertionError("opened")
