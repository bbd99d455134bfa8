"""The registers that can be read, one file a format, all giving the same three kinds of row."""

from __future__ import annotations

from msgspec import Struct

DESCRIPTION_LENGTH_MAX = 2000
NAME_LENGTH_MAX = 200


class Listed(Struct, frozen=True):
    """A charity that may be given to. `line` is where its row begins in the file, from 1."""

    line: int
    register: str
    register_id: str
    name: str
    category: str
    country: str
    description: str | None = None
    place: str | None = None
    website: str | None = None


class Skipped(Struct, frozen=True):
    """A well-formed row of something that cannot be given to, and why (a stable word).

    With `register_id`, an earlier import of the same charity is closed.
    """

    line: int
    reason: str
    register: str = ""
    register_id: str = ""


class Bad(Struct, frozen=True):
    """A row that cannot be used, with a sentence that says why."""

    line: int
    reason: str


Row = Listed | Skipped | Bad


class NotThisFormat(ValueError):
    """The file is not one of the registers that Almoner reads."""


def shortened(text: str, length_max: int = DESCRIPTION_LENGTH_MAX) -> str | None:
    """Text within `length_max` characters, cut between words and marked so; None when empty."""
    if len(text) <= length_max:
        return text or None
    head = text[: length_max - 1]
    return (head.rpartition(" ")[0] or head).rstrip(" ,;:.-") + "\u2026"
