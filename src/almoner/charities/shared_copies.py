"""Answers shared by all processes through Valkey, and the version of the catalogue they show.

The version is kept beside each copy instead of in its key: so a copy of an older catalogue is
never taken for a fresh one, and is still there when the database is away.
"""

from __future__ import annotations

import hashlib
import time
from typing import Final

import redis.asyncio
from msgspec import Struct, msgpack

from almoner.platform.cache import CACHE_AWAY

VERSION_KEY: Final = "almoner:charities:version"
FRESH_S: Final = 60
KEPT_S: Final = 24 * 3600
SEARCH_KEPT_S: Final = 600
"""Searches are without number; they must not push everything else out of the cache."""

_PAUSE_S: Final = 2.0


class _Stored(Struct, frozen=True, array_like=True):
    version: bytes
    made_at_ms: int
    body: bytes


class Copy(Struct, frozen=True):
    """What Valkey had: the bytes if any, whether they are fresh, the catalogue's version now."""

    body: bytes | None = None
    fresh: bool = False
    version: bytes | None = None


class SharedCopies:
    """Copies in Valkey. Without it, or while it is away, there simply are none."""

    def __init__(self, cache: redis.asyncio.Redis | None) -> None:
        self._cache = cache
        self._away_until = 0.0

    async def get(self, question: str) -> Copy:
        """The copy of an answer; one round trip."""
        if self._cache is None or self._away_until > time.monotonic():
            return Copy()
        try:
            version, stored = await self._cache.mget(VERSION_KEY, _key(question))
        except CACHE_AWAY:
            self._away_until = time.monotonic() + _PAUSE_S
            return Copy()
        return _read(_bytes(version) or b"0", _bytes(stored))

    async def put(self, question: str, body: bytes, copy: Copy, *, kept_s: int) -> None:
        """Keep an answer.

        `copy` is what `get` gave before the database was asked, so that an answer read before a
        publication is never taken for one read after it.
        """
        if self._cache is None or copy.version is None:
            return
        stored = msgpack.encode(_Stored(copy.version, time.time_ns() // 1_000_000, body))
        try:
            await self._cache.set(_key(question), stored, ex=kept_s)
        except CACHE_AWAY:
            self._away_until = time.monotonic() + _PAUSE_S


async def catalogue_changed(cache: redis.asyncio.Redis | None) -> bool:
    """Tell all processes that charities have changed; False when Valkey is away.

    Without it a change is seen when the copies age: after a minute.
    """
    if cache is None:
        return False
    try:
        await cache.incr(VERSION_KEY)
    except CACHE_AWAY:
        return False
    return True


def _key(question: str) -> str:
    return "almoner:charities:" + hashlib.blake2b(question.encode(), digest_size=16).hexdigest()


def _bytes(value: bytes | str | None) -> bytes | None:
    """The client is typed for both; ours never decodes."""
    return value.encode() if isinstance(value, str) else value


def _read(version: bytes, stored: bytes | None) -> Copy:
    if stored is None:
        return Copy(version=version)
    kept = msgpack.decode(stored, type=_Stored)
    age_ms = time.time_ns() // 1_000_000 - kept.made_at_ms
    fresh = kept.version == version and 0 <= age_ms < FRESH_S * 1000
    return Copy(kept.body, fresh, version)
