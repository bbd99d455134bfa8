"""Request limits: GCRA, counted in Valkey by one script call for all requests of a tick."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import ip_address
from math import ceil
from typing import Any, Final

import structlog
from msgspec import Struct

from almoner.platform.batch import Batcher
from almoner.platform.cache import CACHE_AWAY, Cache
from almoner.platform.errors import Problem

log = structlog.get_logger(__name__)

_SCRIPT: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out = {}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local tat = math.max(tonumber(redis.call('GET', key)) or now, now)
  local early = tat - burst * interval + interval - now
  if early > 0 then
    out[i] = math.ceil(early)
  else
    tat = tat + interval
    redis.call('SET', key, tat, 'PX', math.ceil(tat - now) + 1000)
    out[i] = -math.floor((burst * interval - (tat - now)) / interval)
  end
end
return out
"""
"""For each key: milliseconds to wait if refused (> 0), else minus what is left."""


class Rule(Struct, frozen=True):
    """`count` requests in `window_s` seconds, which may come all at once."""

    name: str
    count: int
    window_s: int

    @property
    def interval_ms(self) -> float:
        """Time that one request uses up."""
        return self.window_s * 1000 / self.count


class Verdict(Struct, frozen=True):
    """Whether a request may pass. `wait_ms` is 0 when it may."""

    rule: Rule
    wait_ms: int
    remaining: int

    def headers(self) -> dict[str, str]:
        """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers)."""
        name = self.rule.name
        return {
            "RateLimit-Policy": f'"{name}";q={self.rule.count};w={self.rule.window_s}',
            "RateLimit": f'"{name}";r={self.remaining};t={ceil(self.wait_ms / 1000)}',
        }


class TooMany(Problem):
    """Too many requests from one place."""

    def __init__(self, verdict: Verdict) -> None:
        wait_s = max(1, ceil(verdict.wait_ms / 1000))
        super().__init__(
            429,
            "too_many_requests",
            "Too many tries",
            f"Please wait {wait_s} seconds and try again. Nothing was charged by this request.",
            headers={"Retry-After": str(wait_s), **verdict.headers()},
        )


class Limiter:
    """Counts requests by rule and by who makes them.

    With Valkey away it counts in this process alone, and allows half as much: several processes
    that do not know of each other must not add up to more than the rule.
    """

    def __init__(self, cache: Cache | None, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._cache = cache
        self._script = cache.register_script(_SCRIPT) if cache is not None else None
        self._local: OrderedDict[str, float] = OrderedDict()
        self._away_until = 0.0
        self._batcher: Batcher[tuple[Rule, str], int] = Batcher("limits", self._count)

    async def open(self) -> None:
        """Begin to count."""
        await self._batcher.open()

    async def close(self) -> None:
        """End."""
        await self._batcher.close()

    async def check(self, who: str) -> Verdict:
        """Count one request of `who` against every rule. Raises TooMany."""
        tightest: Verdict | None = None
        for rule in self._rules:
            answer = await self._batcher.submit((rule, f"almoner:limit:{rule.name}:{who}"))
            verdict = Verdict(rule, max(0, answer), max(0, -answer))
            if answer > 0:
                raise TooMany(verdict)
            if tightest is None or verdict.remaining < tightest.remaining:
                tightest = verdict
        if tightest is None:
            raise ValueError("a limiter needs a rule")
        return tightest

    async def _count(self, checks: Sequence[tuple[Rule, str]]) -> list[int]:
        if self._script is not None and time.monotonic() >= self._away_until:
            arguments: list[Any] = []
            for rule, _ in checks:
                arguments += (rule.interval_ms, rule.count)
            try:
                return list(await self._script(keys=[key for _, key in checks], args=arguments))
            except CACHE_AWAY as error:
                self._away_until = time.monotonic() + 1
                log.warning("limits_without_cache", error=type(error).__name__)
        return [self._count_here(rule, key) for rule, key in checks]

    def _count_here(self, rule: Rule, key: str) -> int:
        now_ms = time.monotonic() * 1000
        interval, burst = rule.interval_ms * 2, max(1, rule.count // 2)
        tat = max(self._local.get(key, now_ms), now_ms)
        early = tat - burst * interval + interval - now_ms
        if early > 0:
            return ceil(early)
        self._local[key] = tat + interval
        self._local.move_to_end(key)
        if len(self._local) > 50_000:
            self._local.popitem(last=False)
        return -int((burst * interval - (tat + interval - now_ms)) / interval)


def network_of(address: str) -> str:
    """Whom an address counts as: itself, or the /64 that one IPv6 subscriber holds."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 6:
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return f"{int(parsed) >> 64:x}::/64"
    return address


STANDARD: Final = (Rule("give-minute", 3, 60), Rule("give-day", 10, 86_400))
"""For the public: what card testers need is a hundred times what a donor needs."""

SANDBOX: Final = (Rule("give-sandbox", 6_000_000, 60),)
"""For trials: wide enough never to stop anybody, still counted."""
