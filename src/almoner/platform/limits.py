"""Request limits: GCRA over several dimensions, by one script call for all requests of a tick.

A request is counted under every rule or under none: what one rule refuses uses up nothing of the
others. A request that comes again under the same name counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, Final

import structlog
from msgspec import Struct

from almoner.platform.batch import Batcher
from almoner.platform.cache import CACHE_AWAY, Cache
from almoner.platform.clock import monotonic_s
from almoner.platform.errors import Problem
from almoner.platform.limits_here import Here
from almoner.platform.limits_rules import Asked, Count, FailureRule, Rule
from almoner.platform.limits_script import FAILED, TAKE
from almoner.platform.metrics import LIMITED

__all__ = ["Count", "FailureRule", "Limiter", "Rule", "TooMany", "Verdict", "policy_headers"]

log = structlog.get_logger(__name__)

_PREFIX: Final = "almoner:{limits}"
"""One hash slot for all of it, because one script call touches many keys."""

_SEEN_MS: Final = 3_600_000
"""How long after it came last a request is known again; one a day would fill the cache."""

_PAUSED: Final = -1
_TOO_OFTEN: Final = -2
_AWAY_S: Final = 1.0


class Verdict(Struct, frozen=True):
    """Whether a request may pass. `wait_ms` is 0 when it may; `used_ms` belongs to `counts`."""

    counts: Sequence[Count]
    used_ms: Sequence[float]
    rule: str | None = None
    wait_ms: int = 0

    def headers(self) -> dict[str, str]:
        """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).

        `t` is the time until a rule is wholly free again, or until the refused request may pass.
        """
        standing = [
            _standing(count.rule, used_ms, self)
            for count, used_ms in zip(self.counts, self.used_ms, strict=True)
            if count.rule.shown
        ]
        shown = [count.rule for count in self.counts if count.rule.shown]
        if self.rule is not None and self.rule not in {rule.name for rule in shown}:
            standing.append(f'"{self.rule}";r=0;t={ceil(self.wait_ms / 1000)}')
        return policy_headers(shown) | ({"RateLimit": ", ".join(standing)} if standing else {})


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

    def __init__(self, cache: Cache | None, again: Rule, failures: FailureRule) -> None:
        """`again` is how often one request may be repeated, `failures` when to pause."""
        self._cache = cache
        self._again = again
        self._failures = failures
        self._take = cache.register_script(TAKE) if cache is not None else None
        self._fail = cache.register_script(FAILED) if cache is not None else None
        self._here = Here()
        self._away_until = 0.0
        self._batcher: Batcher[Asked, list[float]] = Batcher("limits", self._count)

    async def open(self) -> None:
        """Begin to count."""
        await self._batcher.open()

    async def close(self) -> None:
        """End."""
        await self._batcher.close()

    async def take(self, who: str, name: str | None, counts: Sequence[Count]) -> Verdict:
        """Count the request `name` of `who` under all of `counts`, or under none.

        One that was counted before passes without counting again, as often as `again` allows; one
        without a name counts each time. Raises TooMany, also while `who` is paused for failures.
        """
        verdict = await self._ask(Asked(who, name, counted=True, counts=counts, again=self._again))
        if verdict.rule is not None:
            LIMITED.labels(verdict.rule).inc()
            raise TooMany(verdict)
        return verdict

    async def look(self, who: str, counts: Sequence[Count]) -> Verdict:
        """How `counts` stand, without counting."""
        return await self._ask(Asked(who, None, counted=False, counts=counts, again=self._again))

    async def failed(self, who: str) -> None:
        """Count a failure of `who`. One too many, and `who` is paused."""
        rule = self._failures
        if self._fail is not None and monotonic_s() >= self._away_until:
            try:
                await self._fail(
                    keys=[f"{_PREFIX}:failures:{who}", f"{_PREFIX}:paused:{who}"],
                    args=[rule.count, rule.window_s * 1000, rule.pause_s * 1000],
                )
            except CACHE_AWAY as error:
                self._note_away(error)
            else:
                return
        self._here.failed(rule, who)

    async def _ask(self, asked: Asked) -> Verdict:
        code, wait_ms, *used_us = await self._batcher.submit(asked)
        rule = None
        if code == _PAUSED:
            rule = self._failures.name
        elif code == _TOO_OFTEN:
            rule = self._again.name
        elif code > 0:
            rule = asked.counts[int(code) - 1].rule.name
        return Verdict(asked.counts, [us / 1000 for us in used_us], rule, int(wait_ms))

    async def _count(self, requests: Sequence[Asked]) -> list[list[float]]:
        if self._take is not None and monotonic_s() >= self._away_until:
            try:
                answers = await self._take(*_arguments(requests))
            except CACHE_AWAY as error:
                self._note_away(error)
            else:
                return [[float(number) for number in answer] for answer in answers]
        return [self._here.take(asked) for asked in requests]

    def _note_away(self, error: Exception) -> None:
        self._away_until = monotonic_s() + _AWAY_S
        log.warning("limits_without_cache", error=type(error).__name__)


def policy_headers(rules: Sequence[Rule]) -> dict[str, str]:
    """`RateLimit-Policy`: what is allowed, whatever was used of it."""
    policy = ", ".join(f'"{rule.name}";q={rule.count};w={rule.window_s}' for rule in rules)
    return {"RateLimit-Policy": policy} if policy else {}


def _standing(rule: Rule, used_ms: float, verdict: Verdict) -> str:
    wait_ms = verdict.wait_ms if rule.name == verdict.rule else used_ms
    left = 0 if rule.name == verdict.rule else rule.left(used_ms)
    return f'"{rule.name}";r={left};t={ceil(wait_ms / 1000)}'


def _arguments(requests: Sequence[Asked]) -> tuple[list[str], list[Any]]:
    """Keys and arguments of the script for all requests, in the order in which it reads them."""
    keys: list[str] = []
    arguments: list[Any] = [len(requests), _SEEN_MS]
    for asked in requests:
        again = asked.again
        keys += (f"{_PREFIX}:seen:{asked.name or ''}", f"{_PREFIX}:paused:{asked.who}")
        arguments += (
            len(asked.counts),
            int(asked.counted),
            int(asked.name is not None),
            again.interval_ms,
            again.count,
        )
        for count in asked.counts:
            keys.append(f"{_PREFIX}:{count.rule.name}:{count.who}")
            arguments += (count.rule.interval_ms, count.rule.count)
    return keys, arguments
