"""The journal: what it acknowledged is there, and what it refused left nothing behind."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from almoner.platform.cache import open_cache
from almoner.platform.journal.copies import NoCopies, ValkeyCopies
from almoner.platform.journal.errors import (
    CopyNotTaken,
    JournalBroken,
    JournalFull,
    JournalRefuses,
    Unreadable,
)
from almoner.platform.journal.files import DiskSegment, DiskSegments
from almoner.platform.journal.frames import Sealed, Tail, lone_record
from almoner.platform.journal.journal import Journal, Position
from almoner.platform.journal.orphans import adopt_orphans, read_segment
from almoner.platform.journal.sealing import Sealer

SECRET = "a secret key for the tests of the journal"


def journal_in(folder: Path, *, bytes_max: int = 1 << 20) -> Journal:
    """A journal of this process in a folder."""
    return Journal(DiskSegments(folder), Sealer(SECRET), NoCopies(), bytes_max=bytes_max)


async def kept(folder: Path, *payloads: bytes, together: bool = False) -> Journal:
    """A journal that has acknowledged these payloads, one after the other or in one group."""
    journal = journal_in(folder)
    await journal.open()
    if together:
        await asyncio.gather(*(journal.append(payload) for payload in payloads))
    else:
        for payload in payloads:
            await journal.append(payload)
    return journal


def only_file(folder: Path) -> Path:
    """The one segment of a folder."""
    (path,) = folder.glob("*.journal")
    return path


def opened(data: bytes, secret: str = SECRET) -> tuple[list[bytes], Tail]:
    """What can be read of a segment, and what stands behind it."""
    contents = read_segment(data)
    return [open_one(contents.segment_id, r, secret) for r in contents.records], contents.tail


def open_one(segment_id: UUID | None, record: Sealed, secret: str = SECRET) -> bytes:
    """The payload of a record."""
    assert segment_id is not None
    return Sealer(secret).open(segment_id, record.sequence, record.previous, record.payload)


async def test_what_is_acknowledged_is_there_after_the_process_is_gone(tmp_path: Path) -> None:
    """No closing: the object is dropped as a kill -9 would, and the file holds everything."""
    journal = await kept(tmp_path, b"one", b"two", b"three")
    data = only_file(tmp_path).read_bytes()

    assert opened(data) == ([b"one", b"two", b"three"], Tail.WHOLE)
    await journal.close()


async def test_what_arrives_together_is_written_and_synced_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred gifts, one fsync."""
    journal = await kept(tmp_path)
    synced = counted(monkeypatch)

    positions = await asyncio.gather(*(journal.append(bytes([n])) for n in range(100)))

    assert [position.sequence for position in positions] == list(range(1, 101))
    assert synced() == 1
    await journal.close()


def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often a segment was synced since."""
    calls = []
    original = DiskSegment.sync

    async def sync(self: DiskSegment) -> None:
        calls.append(1)
        await original(self)

    monkeypatch.setattr(DiskSegment, "sync", sync)
    return lambda: len(calls)


async def test_the_disk_sees_nothing_of_what_is_kept(tmp_path: Path) -> None:
    """Names, addresses and nonces are encrypted; the folder and the file are the owner's alone."""
    folder = tmp_path / "journal"
    journal = await kept(folder, b"john@example.com fake-valid-nonce")
    path = only_file(folder)

    assert b"john" not in path.read_bytes()
    assert b"nonce" not in path.read_bytes()
    assert (folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    await journal.close()


async def test_another_key_opens_nothing(tmp_path: Path) -> None:
    """A journal of another installation is said to be unreadable, never misread."""
    journal = await kept(tmp_path, b"one")

    with pytest.raises(Unreadable):
        opened(only_file(tmp_path).read_bytes(), "the secret key of another installation")
    await journal.close()


async def test_a_record_opens_at_its_own_place_alone(tmp_path: Path) -> None:
    """Moved to another number, it does not open."""
    journal = await kept(tmp_path, b"one", b"two")
    contents = read_segment(only_file(tmp_path).read_bytes())
    first, second = contents.records
    moved = Sealed(second.sequence, second.previous, first.payload, second.hash)

    with pytest.raises(Unreadable):
        open_one(contents.segment_id, moved)
    await journal.close()


async def test_truncation_at_every_byte_loses_nothing_that_was_acknowledged_before(
    tmp_path: Path,
) -> None:
    """A write that was interrupted anywhere leaves every record before it, and no other."""
    journal = await kept(tmp_path, b"one", b"two")
    acknowledged = only_file(tmp_path).stat().st_size
    await asyncio.gather(journal.append(b"three"), journal.append(b"four"))
    data = only_file(tmp_path).read_bytes()

    for size in range(acknowledged, len(data)):
        found, tail = opened(data[:size])
        assert found[:2] == [b"one", b"two"]
        assert found == [b"one", b"two", b"three", b"four"][: len(found)]
        assert tail is not Tail.DAMAGED
    await journal.close()


async def test_a_write_whose_middle_is_missing_is_torn(tmp_path: Path) -> None:
    """After a power cut a later page may be there and an earlier one not. Nobody was told."""
    journal = await kept(tmp_path, b"one", b"two" * 50, b"three", together=True)
    data = bytearray(only_file(tmp_path).read_bytes())
    data = data[: len(data) - note_bytes()]
    start = data.find(b"\xf5Jr\n", 80)
    data[start : start + 120] = bytes(120)

    assert opened(bytes(data)) == ([b"one"], Tail.TORN)
    await journal.close()


def note_bytes() -> int:
    """The size of the frame behind each group."""
    return 12 + 49


@pytest.mark.parametrize("together", [True, False])
async def test_every_flipped_bit_is_noticed_and_none_makes_a_wrong_record(
    tmp_path: Path, *, together: bool
) -> None:
    """In an acknowledged record it is damage, not a torn tail: it must not be cut away quietly."""
    payloads = [b"one", b"two", b"three"]
    journal = await kept(tmp_path, *payloads, together=together)
    data = only_file(tmp_path).read_bytes()
    await journal.close()

    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << (at % 8)
        found, tail = opened(bytes(flipped))
        assert found == payloads[: len(found)]
        assert len(found) == len(payloads) or tail is Tail.DAMAGED, at


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    """Whatever stands in a file: no records and a verdict, never an exception."""
    contents = read_segment(data)

    assert contents.records == []
    assert contents.tail is (Tail.DAMAGED if data else Tail.TORN)
    assert lone_record(data) is None


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_mangled_segment_gives_right_records_or_none(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes cut out, put in, swapped or repeated anywhere: what is read was written so."""
    payloads = [b"first", b"second", b"third", b"fourth"]
    whole = _WHOLE.setdefault("data", asyncio.run(made(tmp_path_factory, payloads)))
    a, b = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    mangled = data.draw(
        st.sampled_from(
            [
                whole[:a] + whole[b:],
                whole[:a] + data.draw(st.binary(max_size=60)) + whole[a:],
                whole[:a] + whole[b:] + whole[a:b],
                whole[:b] + whole[a:],
            ]
        )
    )

    found, _ = opened(mangled)

    assert found == payloads[: len(found)]


_WHOLE: dict[str, bytes] = {}


async def made(factory: pytest.TempPathFactory, payloads: list[bytes]) -> bytes:
    """The bytes of a segment with these payloads."""
    folder = factory.mktemp("whole")
    journal = await kept(folder, *payloads)
    data = only_file(folder).read_bytes()
    await journal.close()
    return data


async def test_a_living_process_keeps_its_segment_and_a_dead_one_leaves_it(tmp_path: Path) -> None:
    """Held by a lock that ends with the process."""
    journal = await kept(tmp_path, b"one")

    assert await adopt_orphans(DiskSegments(tmp_path)) == []

    await journal.close()
    (orphan,) = await adopt_orphans(DiskSegments(tmp_path))
    assert [r.sequence for r in orphan.contents.records] == [1]
    assert await adopt_orphans(DiskSegments(tmp_path)) == []
    await orphan.file.remove()
    assert await DiskSegments(tmp_path).names() == []


async def test_a_process_that_kept_nothing_leaves_nothing(tmp_path: Path) -> None:
    """An empty segment goes with it."""
    journal = await kept(tmp_path)
    await journal.close()

    assert await DiskSegments(tmp_path).names() == []


async def test_a_drained_segment_is_replaced_by_an_empty_one(tmp_path: Path) -> None:
    """And the next record has another position, so that no position ever comes twice."""
    journal = await kept(tmp_path, b"one")
    before = journal.segment_id

    assert [r.sequence for r in (await journal.follow())[0]] == [1]
    assert before is not None
    await journal.begin_anew(Position(before, 1))

    position = await journal.append(b"two")
    assert (position.segment_id != before, position.sequence) == (True, 1)
    assert opened(only_file(tmp_path).read_bytes()) == ([b"two"], Tail.WHOLE)
    await journal.close()


async def test_a_segment_that_got_another_record_meanwhile_stays(tmp_path: Path) -> None:
    """Drained up to its last record, or not given up at all."""
    journal = journal_in(tmp_path)
    await journal.open()
    first = await journal.append(b"one")
    await journal.append(b"two")

    await journal.begin_anew(first)

    assert journal.segment_id == first.segment_id
    assert opened(only_file(tmp_path).read_bytes()) == ([b"one", b"two"], Tail.WHOLE)
    await journal.close()


async def test_a_full_journal_refuses_and_takes_again_when_there_is_room(tmp_path: Path) -> None:
    """The bound is that of the folder; what was refused left no byte."""
    journal = journal_in(tmp_path, bytes_max=1_000)
    await journal.open()
    position = await journal.append(b"x" * 600)
    size = only_file(tmp_path).stat().st_size

    with pytest.raises(JournalFull):
        await journal.append(b"y" * 600)

    assert only_file(tmp_path).stat().st_size == size
    await journal.follow()
    await journal.begin_anew(position)
    await journal.append(b"y" * 600)
    await journal.close()


async def test_those_whom_a_full_journal_refuses_are_not_called_back_together(
    tmp_path: Path,
) -> None:
    """Each hears another time; never less than some seconds."""
    journal = journal_in(tmp_path, bytes_max=100)
    await journal.open()

    waits = []
    for _ in range(40):
        with pytest.raises(JournalFull) as refused:
            await journal.append(b"x" * 600)
        waits.append(int(refused.value.headers["Retry-After"]))

    assert len(set(waits)) > 1
    assert 8 <= min(waits) <= max(waits) <= 16
    await journal.close()


async def test_the_smallest_journal_is_writable_until_a_gift_does_not_fit(tmp_path: Path) -> None:
    """What it says of itself is what a gift meets."""
    journal = journal_in(tmp_path, bytes_max=65_536)
    await journal.open()
    taken = 0

    while await journal.state() == "writable":
        await journal.append(b"x" * 2_000)
        taken += 1

    assert taken > 25
    assert await journal.state() == "full"
    await journal.close()


SMALL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from almoner.platform.journal.copies import NoCopies
from almoner.platform.journal.errors import JournalFull
from almoner.platform.journal.files import DiskSegments
from almoner.platform.journal.journal import Journal
from almoner.platform.journal.sealing import Sealer

async def main(folder, secret):
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 1 << 30))
    journal = Journal(DiskSegments(folder), Sealer(secret), NoCopies(), bytes_max=1 << 20)
    await journal.open()
    await journal.append(b"one" * 300)
    size = next(Path(folder).iterdir()).stat().st_size
    for _ in range(2):
        try:
            await journal.append(b"two" * 300)
        except JournalFull as error:
            print(error.why, next(Path(folder).iterdir()).stat().st_size == size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 30))
    await journal.append(b"three")
    print(await journal.state())

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def test_a_disk_without_room_leaves_the_file_as_it_was_and_may_take_more_later(
    tmp_path: Path,
) -> None:
    """The kernel takes half of the write and no more: cut back to the last good record."""
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(tmp_path), SECRET],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert done.stdout.split("\n")[:3] == ["EFBIG True", "EFBIG True", "writable"]
    assert opened(only_file(tmp_path).read_bytes()) == ([b"one" * 300, b"three"], Tail.WHOLE)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB, in memory."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


async def test_a_full_file_system_refuses(small_disk: Path) -> None:
    """When it has room again so has the journal."""
    journal = journal_in(small_disk / "journal")
    await journal.open()
    filler = small_disk / "filler"
    filler.write_bytes(bytes(52 * 1024))

    told = [await refusal(journal, b"x" * 1_000) for _ in range(20)]
    state = await journal.state()
    filler.unlink()
    position = await journal.append(b"later")

    found, tail = opened(only_file(small_disk / "journal").read_bytes())
    assert (told[-1], state) == ("ENOSPC", "full")
    assert (len(found), found[-1], tail) == (position.sequence, b"later", Tail.WHOLE)
    assert position.sequence == told.count("") + 1
    await journal.close()


async def refusal(journal: Journal, payload: bytes) -> str:
    """Why a payload was not kept; empty when it was."""
    try:
        await journal.append(payload)
    except JournalRefuses as error:
        return error.why
    return ""


async def test_after_a_failed_fsync_nothing_is_taken_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not when the next fsync would work; what was acknowledged before is there, and what was
    refused is not."""
    journal = await kept(tmp_path, b"one")

    async def sync(self: DiskSegment) -> None:
        raise OSError(errno.EIO, "the disk")

    monkeypatch.setattr(DiskSegment, "sync", sync)
    told = await asyncio.gather(*(journal.append(b"two") for _ in range(3)), return_exceptions=True)
    monkeypatch.undo()

    assert [type(answer) for answer in told] == [JournalBroken] * 3
    with pytest.raises(JournalBroken):
        await journal.append(b"three")
    assert await journal.state() == "broken"
    assert opened(only_file(tmp_path).read_bytes()) == ([b"one"], Tail.WHOLE)
    await journal.close()


async def test_a_write_error_that_is_not_about_room_ends_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO from the write: nobody knows what the file holds."""
    journal = await kept(tmp_path, b"one")

    def write(descriptor: int, data: bytes) -> int:
        raise OSError(errno.EIO, "the disk")

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(JournalBroken):
        await journal.append(b"two")
    monkeypatch.undo()

    with pytest.raises(JournalBroken):
        await journal.append(b"three")
    await journal.close()


async def test_a_folder_that_cannot_be_made_is_told_and_tried_again(tmp_path: Path) -> None:
    """A file stands where the folder should be; when it is gone the journal works."""
    folder = tmp_path / "journal"
    folder.write_text("in the way")
    journal = journal_in(folder)
    await journal.open()

    with pytest.raises(JournalRefuses):
        await journal.append(b"one")
    assert await journal.state() == "full"

    folder.unlink()
    await journal.append(b"one")
    assert await journal.state() == "writable"
    await journal.close()


async def test_two_copies_are_two_copies(tmp_path: Path, redis_url: str) -> None:
    """What is acknowledged can be read from Valkey alone, until the segment is drained."""
    cache = open_cache(redis_url)
    copies = ValkeyCopies(cache)
    journal = Journal(DiskSegments(tmp_path), Sealer(SECRET), copies, bytes_max=1 << 20)
    await journal.open()
    _, position = await asyncio.gather(journal.append(b"one"), journal.append(b"two"))

    (segment_id,) = await copies.segments()
    records = [lone_record(frame) for frame in await copies.read(segment_id)]
    assert [open_one(segment_id, r) for r in records if r] == [b"one", b"two"]

    await journal.begin_anew(position)
    assert await copies.segments() == []
    await journal.close()
    await cache.aclose()


async def test_without_its_second_copy_nothing_is_acknowledged_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    """Valkey cannot take it: refused, and the file is as it was."""
    cache = open_cache("redis://127.0.0.1:1")
    journal = Journal(
        DiskSegments(tmp_path), Sealer(SECRET), ValkeyCopies(cache), bytes_max=1 << 20
    )
    await journal.open()
    size = only_file(tmp_path).stat().st_size

    with pytest.raises(CopyNotTaken):
        await journal.append(b"one")

    assert only_file(tmp_path).stat().st_size == size
    await journal.close()
    await cache.aclose()
