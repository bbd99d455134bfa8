"""Descriptions as registers hold them."""

from __future__ import annotations

import re
from typing import Final

_SENTENCE: Final = re.compile(r"(?:^|(?<=[.!?])\s+|\(\w\)\s+|:-?\s+)([a-z])")
_CAPITALS_SHARE: Final = 0.8


def readable_prose(text: str) -> str:
    """Text shouted in capitals in ordinary letters; any other text as it is."""
    letters = [letter for letter in text if letter.isalpha()]
    if not letters or sum(map(str.isupper, letters)) < _CAPITALS_SHARE * len(letters):
        return text
    return _SENTENCE.sub(lambda match: match.group().upper(), text.lower())
