"""Limits counted in this process alone, half as wide: what is left while Valkey is away."""

from __future__ import annotations

from collections import OrderedDict, deque
from math import ceil
from typing import Final, TypeVar

from almoner.platform.clock import monotonic_s
from almoner.platform.limits_rules import Asked, FailureRule, Rule

_KEPT_MAX: Final = 50_000
T = TypeVar("T")


class Here:
    """The same rules as the script's, with half the count. Remembers the latest 50,000 of each."""

    def __init__(self) -> None:
        self._tats: OrderedDict[str, float] = OrderedDict()
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._paused: OrderedDict[str, float] = OrderedDict()

    def take(self, asked: Asked) -> list[float]:
        """See the script `TAKE`: what it answers for one request."""
        now = monotonic_s() * 1000
        seen = None if asked.name is None else self._seen.get(asked.name)
        keys = [f"{count.rule.name}:{count.who}" for count in asked.counts]
        tats = [max(self._tats.get(key, now), now) for key in keys]
        if seen is not None and asked.name is not None:
            code, wait_ms = self._again(asked.name, asked.again, max(seen, now), now)
        else:
            code, wait_ms = self._judge(asked, tats, now)
        if code == 0 and seen is None and asked.counted:
            if asked.name is not None:
                _keep(self._seen, asked.name, now)
            for number, count in enumerate(asked.counts):
                tats[number] += _halved(count.rule)[0]
                _keep(self._tats, keys[number], tats[number])
        used = [
            (tat - now) * count.rule.interval_ms / _halved(count.rule)[0]
            + (count.rule.count - _halved(count.rule)[1]) * count.rule.interval_ms
            for tat, count in zip(tats, asked.counts, strict=True)
        ]
        return [code, ceil(wait_ms), *(1000 * used_ms for used_ms in used)]

    def failed(self, rule: FailureRule, who: str) -> None:
        """See the script `FAILED`."""
        now = monotonic_s() * 1000
        count = max(1, rule.count // 2)
        times = self._failures.get(who) or deque(maxlen=count)
        times.append(now)
        _keep(self._failures, who, times)
        if len(times) == count and now - times[0] < rule.window_s * 1000:
            del self._failures[who]
            _keep(self._paused, who, now + rule.pause_s * 1000)

    def _again(self, name: str, rule: Rule, tat: float, now: float) -> tuple[int, float]:
        interval, burst = _halved(rule)
        early = tat - (burst - 1) * interval - now
        if early > 0:
            return -2, early
        _keep(self._seen, name, tat + interval)
        return 0, 0

    def _judge(self, asked: Asked, tats: list[float], now: float) -> tuple[int, float]:
        """The rule that refuses for longest, or 0."""
        paused_ms = self._paused.get(asked.who, now) - now
        if paused_ms > 0:
            return -1, paused_ms
        code, wait_ms = 0, 0.0
        for number, (tat, count) in enumerate(zip(tats, asked.counts, strict=True), 1):
            interval, burst = _halved(count.rule)
            early = tat - (burst - 1) * interval - now
            if early > wait_ms:
                code, wait_ms = number, early
        return code, wait_ms


def _halved(rule: Rule) -> tuple[float, int]:
    """Interval and burst of half the rule."""
    return rule.interval_ms * 2, max(1, rule.count // 2)


def _keep(kept: OrderedDict[str, T], key: str, value: T) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _KEPT_MAX:
        kept.popitem(last=False)
