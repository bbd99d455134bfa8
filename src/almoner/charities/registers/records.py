"""Delimited files, read as a stream and forgiving: one broken row costs that row alone."""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import Struct

from almoner.charities.registers import Bad

RECORD_LINES_MAX: Final = 200
RECORD_LENGTH_MAX: Final = 64 * 1024

Lines = Iterable[bytes]


class Record(Struct, frozen=True):
    """The fields of one row. `line` is where it begins, from 1."""

    line: int
    fields: list[str]


def decoded(line: bytes) -> str:
    """UTF-8, or Windows-1252 where a line is not UTF-8. Never fails."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def without_mark(line: bytes) -> bytes:
    """A first line without its byte order mark."""
    return line.removeprefix(codecs.BOM_UTF8)


def comma_separated(lines: Lines, *, multiline: bool) -> Iterator[Record | Bad]:
    """Rows of a CSV (RFC 4180). With `multiline` a quoted field may hold line breaks.

    A quote that is never closed would swallow the rest of the file: such a row is given up at
    its first line and reading goes on at the next.
    """
    complete = _quotes_closed if multiline else _always
    return _records(lines, complete, _comma_fields)


def tab_separated(lines: Lines) -> Iterator[Record | Bad]:
    """Rows of a tab-separated file without quotes, in which a backslash escapes the next sign."""
    return _records(lines, _no_open_escape, _tab_fields)


def _records(
    lines: Lines, complete: Callable[[str], bool], fields: Callable[[str], list[str]]
) -> Iterator[Record | Bad]:
    source, again, number = iter(lines), deque[str](), 0
    while True:
        first = again.popleft() if again else _next(source)
        if first is None:
            return
        number += 1
        text, taken = first, [first]
        while not complete(text) and _room(text, taken):
            more = again.popleft() if again else _next(source)
            if more is None:
                break
            taken.append(more)
            text += more
        if not complete(text):
            again.extendleft(reversed(taken[1:]))
            yield Bad(number, "a quoted field is opened and never closed")
            continue
        if text.strip():
            yield _record(number, text, fields)
        number += len(taken) - 1


def _record(number: int, text: str, fields: Callable[[str], list[str]]) -> Record | Bad:
    if len(text) > RECORD_LENGTH_MAX:
        return Bad(number, f"the row is longer than {RECORD_LENGTH_MAX} characters")
    return Record(number, fields(text))


def _next(source: Iterator[bytes]) -> str | None:
    line = next(source, None)
    return None if line is None else decoded(line)


def _room(text: str, taken: list[str]) -> bool:
    return len(taken) < RECORD_LINES_MAX and len(text) < RECORD_LENGTH_MAX


def _always(_: str) -> bool:
    return True


def _quotes_closed(text: str) -> bool:
    return text.count('"') % 2 == 0


def _no_open_escape(text: str) -> bool:
    body = text.rstrip("\r\n")
    return body == text or (len(body) - len(body.rstrip("\\"))) % 2 == 0


def _comma_fields(text: str) -> list[str]:
    return next(csv.reader([text.rstrip("\r\n")] if text.count("\n") <= 1 else [text]))


def _tab_fields(text: str) -> list[str]:
    text = text.rstrip("\r\n")
    if "\\" not in text:
        return text.split("\t")
    fields, field, signs = [], "", iter(text)
    for sign in signs:
        if sign == "\t":
            fields.append(field)
            field = ""
        else:
            field += next(signs, "") if sign == "\\" else sign
    return [*fields, field]
