"""A picture for every charity, drawn by us: the same slug and category, the same picture."""

from __future__ import annotations

import hashlib
from random import Random
from typing import Final

from almoner.charities import queries
from almoner.charities.known import LastKnown
from almoner.charities.scenes import HEIGHT, SCENES, WIDTH, Palette
from almoner.charities.slugs import is_slug
from almoner.platform.db import Database
from almoner.platform.errors import Unavailable

SLUGS_KEPT_MAX: Final = 20_000

PALETTES: Final[tuple[Palette, ...]] = (
    ("#f6e7d3", "#f2b872", "#d9b48f", "#8a6d5b", "#c4654a", "#fff6e6"),
    ("#e3ecea", "#f0c987", "#a9c3b6", "#5b7f77", "#cf7a5b", "#fdf6ea"),
    ("#f3e3dc", "#eeb08c", "#c8a6a6", "#6f5a73", "#b5566a", "#fff3ec"),
    ("#e6ebf2", "#f3c58a", "#aebfd1", "#54718c", "#d07f57", "#fcf7ee"),
    ("#eef0de", "#eec26b", "#b9c497", "#66794f", "#bf6b48", "#fdfaec"),
    ("#f9ead0", "#f29f6b", "#dcbf91", "#7b7a5a", "#3f7d7a", "#fffaf0"),
)
"""Warm and calm; each light enough behind and dark enough before to keep shapes apart."""

_GREEN: Final = (4, 1, 4)
_CHOICES: Final = {"environment": _GREEN, "animals": (0, 1, 4, 5), "disaster": (1, 3, 3, 2)}
_POPPY: Final = "#c8442f"


class Picture:
    """An SVG and its headers. It refers to nothing outside and holds no script and no style."""

    __slots__ = ("body", "etag", "headers")

    def __init__(self, body: bytes, *, lasting: bool = True) -> None:
        self.body = body
        self.etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        self.headers = {
            "ETag": self.etag,
            "Cache-Control": "public, max-age=604800" if lasting else "no-store",
            "Content-Security-Policy": "default-src 'none'",
            "X-Content-Type-Options": "nosniff",
        }

    def matches(self, if_none_match: bytes) -> bool:
        """Whether the client has this very picture."""
        tags = [
            tag.strip().removeprefix("W/") for tag in if_none_match.decode("latin-1").split(",")
        ]
        return self.etag in tags or tags == ["*"]


class Pictures:
    """Draws the pictures that are asked for and keeps the last ones."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._categories = LastKnown(self._category, size=SLUGS_KEPT_MAX, ttl_s=300.0)

    async def of(self, slug: str) -> Picture | None:
        """The picture of a charity, or None when there is none of this slug.

        While nobody can say what it does, a general one that no cache keeps.
        """
        if not is_slug(slug):
            return None
        try:
            category, _ = await self._categories.get(slug)
        except Unavailable:
            return Picture(draw(slug, "other"), lasting=False)
        return None if category is None else Picture(draw(slug, category))

    async def close(self) -> None:
        """Give up look-ups under way."""
        await self._categories.close()

    async def _category(self, slug: str) -> str | None:
        return await queries.find_category(self._database, slug)


def draw(slug: str, category: str) -> bytes:
    """The picture of a charity as SVG, under 4 kB."""
    random = Random(hashlib.blake2b(f"{category}/{slug}".encode(), digest_size=8).digest())  # noqa: S311
    chosen = _CHOICES.get(category, tuple(range(len(PALETTES))))
    palette = PALETTES[random.choice(chosen)]
    if category == "veterans":
        palette = (*palette[:4], _POPPY, palette[5])
    scene = SCENES[category](random, palette)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{palette[0]}"/>{scene}</svg>'
    ).encode()
