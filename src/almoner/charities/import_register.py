"""Import charities from public registers.

Files are read as a stream and written in batches, each in a transaction of its own. The same
file again changes nothing; a run that was killed is simply started again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, Literal

from msgspec import Struct, field

from almoner.charities.registers import (
    Bad,
    Listed,
    NotThisFormat,
    Row,
    Skipped,
    irs_bmf,
    ni_register,
    uk_extract,
    uk_register,
)
from almoner.charities.registers.queries import ImportSession, import_session
from almoner.charities.registers.records import comma_separated, decoded, without_mark
from almoner.platform.db import Database

BATCH_ROWS: Final = 2_000
MANY_ROWS: Final = 1_000

Format = Literal["auto", "irs", "uk"]


class BadRow(Struct, frozen=True):
    """A row that was left out, and why."""

    file: str
    line: int
    reason: str


class ImportSummary(Struct):
    """What an import did, in rows. read = added + changed + unchanged + skipped + bad."""

    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    closed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    bad: int = 0

    def count_skipped(self, reasons: Counter[str]) -> None:
        """Add to the counts of each reason."""
        for reason, count in reasons.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count


class RegisterFile(Struct, frozen=True):
    """A file whose header was recognised: its path, format and column names."""

    path: Path
    format: str
    header: list[str]


Progress = Callable[[ImportSummary, int], None]
"""Called after each batch with the summary so far and the bytes read of all files."""

ReportBad = Callable[[BadRow], None]


def recognise(path: Path, wanted: Format = "auto") -> RegisterFile:
    """Which register a file holds, by its header.

    Raises NotThisFormat when it is none, or not the `wanted` one, and OSError.
    """
    with path.open("rb") as file:
        line = without_mark(file.readline(64 * 1024))
    header = _header(line)
    tests = {
        "irs": irs_bmf.is_header,
        "uk": uk_register.is_header,
        "ni": ni_register.is_header,
        "uk-extract": uk_extract.is_header,
        "uk-classification": uk_extract.is_side_header,
    }
    found = next((name for name, test in tests.items() if test(header)), None)
    if found is None or (wanted != "auto" and (found == "irs") != (wanted == "irs")):
        what = "the IRS or UK register" if wanted == "auto" else f"a register of kind {wanted!r}"
        raise NotThisFormat(
            f"{path} is not a file of {what}: its first line is none of the known headers."
        )
    return RegisterFile(path, found, header)


async def import_register(
    database: Database,
    files: Sequence[RegisterFile],
    *,
    progress: Progress = lambda _summary, _bytes: None,
    report_bad: ReportBad = lambda _bad: None,
) -> ImportSummary:
    """Bring the catalogue up to date with registers.

    Rows that cannot be used are reported with line and reason while the rest go in. A charity
    that its register no longer lists as one to give to is closed. Raises ImportRunning,
    DatabaseAway; what was written by then stays and is complete.
    """
    summary = ImportSummary()
    async with import_session(database) as session:
        reader = _Reader(files)
        async for batch in _batches(reader):
            await _save(session, batch, summary, report_bad)
            progress(summary, reader.bytes_read)
        if summary.added + summary.changed + summary.closed > MANY_ROWS:
            await session.settle()
    return summary


class _Reader:
    """All rows of all files, in order, counting the bytes that were read."""

    def __init__(self, files: Sequence[RegisterFile]) -> None:
        self._files = sorted(files, key=lambda file: file.format != "uk-classification")
        self._categories: dict[str, str] = {}
        self.bytes_read = 0

    def rows(self) -> Iterator[tuple[str, Row]]:
        with ExitStack() as stack:
            for file in self._files:
                opened = stack.enter_context(file.path.open("rb"))
                lines = self._lines(opened)
                next(lines, None)
                yield from ((file.path.name, row) for row in self._read(file, lines))

    def _read(self, file: RegisterFile, lines: Iterator[bytes]) -> Iterator[Row]:
        match file.format:
            case "irs":
                return irs_bmf.read(file.header, lines)
            case "uk":
                return uk_register.read(file.header, lines)
            case "ni":
                return ni_register.read(file.header, lines)
            case "uk-classification":
                self._categories = uk_extract.read_categories(file.header, lines)
                return iter(())
            case _:
                return uk_extract.read(file.header, lines, self._categories)

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        for line in file:
            self.bytes_read += len(line)
            yield line


_Batch = list[tuple[int, str, Row]]


async def _batches(reader: _Reader) -> AsyncIterator[_Batch]:
    batch: _Batch = []
    for ordinal, (file, row) in enumerate(reader.rows()):
        batch.append((ordinal, file, row))
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


async def _save(
    session: ImportSession, batch: _Batch, summary: ImportSummary, report_bad: ReportBad
) -> None:
    keyed = [(ordinal, row) for ordinal, _, row in batch if isinstance(row, Listed)]
    closing = [
        (ordinal, row) for ordinal, _, row in batch
        if isinstance(row, Skipped) and row.register_id
    ]  # fmt: skip
    result = await session.save([*keyed, *closing])
    repeated = set(result.repeated)
    for ordinal, file, row in batch:
        if isinstance(row, Bad):
            report_bad(BadRow(file, row.line, row.reason))
        elif ordinal in repeated:
            report_bad(BadRow(file, row.line, "an earlier row holds the same charity"))
    skipped = Counter(
        row.reason for ordinal, _, row in batch
        if isinstance(row, Skipped) and ordinal not in repeated
    )  # fmt: skip
    bad = sum(isinstance(row, Bad) for _, _, row in batch) + len(repeated)
    summary.read += len(batch)
    summary.bad += bad
    summary.count_skipped(skipped)
    summary.added += result.added
    summary.changed += result.changed
    summary.closed += result.closed
    summary.unchanged += len(batch) - bad - skipped.total() - result.added - result.changed


def _header(line: bytes) -> list[str]:
    text = decoded(line).rstrip("\r\n")
    if "\t" in text:
        return text.split("\t")
    first = next(iter(comma_separated([line], multiline=False)), None)
    return [] if first is None or isinstance(first, Bad) else first.fields
