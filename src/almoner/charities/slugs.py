"""The part of an address that names a charity."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_OTHER: Final = re.compile(r"[^a-z0-9]+")
_SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
NAME_LENGTH_MAX: Final = 60
SLUG_LENGTH_MAX: Final = 120


def slug_of(name: str, country: str, register_id: str) -> str:
    """`american-national-red-cross-us-530196605`: readable, and unique because it ends in the id.

    A slug is given once. When the name changes later the address stays.
    """
    return f"{_plain(name)}-{country.lower()}-{_OTHER.sub('', register_id.lower())}"


def is_slug(text: str) -> bool:
    """Whether a text could be one: nothing else is worth a question to the database."""
    return len(text) <= SLUG_LENGTH_MAX and _SLUG.fullmatch(text) is not None


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.lower().replace("'", "").replace("\u2019", ""))
    ascii_only = letters.encode("ascii", "ignore").decode()
    slug = _OTHER.sub("-", ascii_only).strip("-")
    if len(slug) > NAME_LENGTH_MAX:
        slug = slug[: NAME_LENGTH_MAX + 1].rpartition("-")[0] or slug[:NAME_LENGTH_MAX]
    return slug or "charity"
