"""Text as it is searched."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_DROPPED: Final = re.compile("[\u0300-\u036f\u2018\u2019'`]")
_PUNCTUATION: Final = re.compile(
    "[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+"
)
_TOKEN: Final = re.compile("[\u2e80-\u9fff\uf900-\ufaff]+|[^ \u2e80-\u9fff\uf900-\ufaff]+")
_CJK: Final = re.compile("[\u2e80-\u9fff\uf900-\ufaff]")
WORDS_MAX: Final = 12


def fold(text: str) -> str:
    """No accents, no apostrophes, lower case, punctuation as one space; as SQL `charity_fold`."""
    text = unicodedata.normalize("NFKD", text.replace("\x00", ""))
    text = unicodedata.normalize("NFC", _DROPPED.sub("", text)).lower()
    return _PUNCTUATION.sub(" ", text).strip(" ")


def words_query(folded: str, *, weight: str = "") -> str:
    """The tsquery text for all words of folded text; the last one may be half typed.

    A run of Chinese or Japanese characters must occur as it stands. `weight` "A" asks for the
    words in the name. Empty when there is no word.
    """
    tokens = _TOKEN.findall(folded)[:WORDS_MAX]
    last = len(tokens) - 1
    return " & ".join(_term(token, weight, half=i == last) for i, token in enumerate(tokens))


def _term(token: str, weight: str, *, half: bool) -> str:
    if _CJK.match(token):
        mark = f":{weight}" if weight else ""
        return "(" + " <-> ".join(f"'{character}'{mark}" for character in token) + ")"
    mark = ("*" if half else "") + weight
    return f"'{token}'" + (f":{mark}" if mark else "")
