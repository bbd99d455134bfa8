"""What a look at an invariant found."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

EXAMPLES_MAX: Final = 5


class Finding(Struct, frozen=True):
    """What a check found. `examples` are ids, never a person's data; `breaches` counts them all."""

    number: int
    name: str
    sentence: str
    holds: bool
    breaches: int
    examples: list[str]


def finding(number: int, name: str, sentence: str, breaches: list[str]) -> Finding:
    """The finding of a check that gives all of its breaches."""
    return Finding(
        number, name, sentence, not breaches, len(breaches), sorted(breaches)[:EXAMPLES_MAX]
    )
