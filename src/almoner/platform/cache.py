"""Valkey or Redis. It may be away at any time: every use of it has an answer without it."""

from __future__ import annotations

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

CACHE_AWAY: tuple[type[Exception], ...] = (RedisError, OSError, TimeoutError)
"""What a use of the cache may raise while it is away."""


Cache = redis.asyncio.Redis


def open_cache(url: str) -> Cache:
    """A client with short time-outs: a cache that hangs must not slow a gift.

    Who finds all connections in use waits a little for one. Without that, a burst of requests
    would look like a cache that is away, just when it is needed for the limits.
    """
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        socket_timeout=0.25,
        socket_connect_timeout=0.25,
        retry=Retry(NoBackoff(), 1),
        max_connections=16,
        timeout=0.25,
    )
    return redis.asyncio.Redis.from_pool(pool)
