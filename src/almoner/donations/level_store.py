"""Where the outcomes and levels of charities are kept: in Valkey, or in this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from almoner.donations.levels import SLOT_MS, Level, LevelRules, Reading
from almoner.platform.cache import Cache
from almoner.platform.clock import now_ms

Outcomes = Mapping[int, tuple[int, int]]
"""Gifts paid and declined, by charity."""

_PREFIX: Final = "almoner:{charities}:level:"
_KEPT_MS: Final = 3_600_000
_CHARITIES_MAX: Final = 10_000

_ADD: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local slot_ms, slots, kept_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local slot = math.floor(now / slot_ms)
local out = {}
for i, key in ipairs(KEYS) do
  local added = {p = tonumber(ARGV[2 * i + 2]), d = tonumber(ARGV[2 * i + 3])}
  if added.p + added.d > 0 then
    for kind, count in pairs(added) do
      if count > 0 then redis.call('HINCRBY', key, kind .. slot, count) end
    end
    redis.call('PEXPIRE', key, kept_ms)
  end
  local sum, level, since = {p = 0, d = 0}, 0, 0
  local fields = redis.call('HGETALL', key)
  for f = 1, #fields, 2 do
    local name, value = fields[f], tonumber(fields[f + 1])
    if name == 'level' then level = value
    elseif name == 'since' then since = value
    elseif tonumber(string.sub(name, 2)) > slot - slots then
      local kind = string.sub(name, 1, 1)
      sum[kind] = sum[kind] + value
    else
      redis.call('HDEL', key, name)
    end
  end
  out[i] = {sum.p, sum.d, level, since, now}
end
return out
"""
_MOVE: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if tonumber(redis.call('HGET', KEYS[1], 'level') or 0) ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'level', ARGV[2], 'since', now)
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[3]))
return 1
"""


class SharedLevels:
    """In Valkey, for all processes. Every call raises what CACHE_AWAY names while it is away."""

    def __init__(self, cache: Cache, rules: LevelRules) -> None:
        self._cache = cache
        self._rules = rules
        self._add = cache.register_script(_ADD)
        self._move = cache.register_script(_MOVE)

    async def add(self, outcomes: Outcomes) -> dict[int, Reading]:
        """Count outcomes, also none at all; gives how each charity stands."""
        arguments: list[Any] = [SLOT_MS, self._rules.slots, _KEPT_MS]
        for paid, declined in outcomes.values():
            arguments += (paid, declined)
        rows = await self._add(keys=[_PREFIX + str(c) for c in outcomes], args=arguments)
        return {
            charity_id: Reading(row[0], row[1], Level(row[2]), row[3], row[4])
            for charity_id, row in zip(outcomes, rows, strict=True)
        }

    async def move(self, charity_id: int, was: Level, to: Level) -> bool:
        """Change the level, unless somebody else did; gives whether it was us."""
        return bool(
            await self._move(keys=[f"{_PREFIX}{charity_id}"], args=[int(was), int(to), _KEPT_MS])
        )

    async def reset(self, charity_id: int) -> bool:
        """Forget a charity's outcomes and level; gives whether there was anything."""
        return bool(await self._cache.delete(f"{_PREFIX}{charity_id}"))

    async def charities(self) -> AsyncIterator[int]:
        """Every charity of which something is known."""
        async for key in self._cache.scan_iter(match=f"{_PREFIX}*", count=500):
            yield int(key.rpartition(b":")[2])


class _Own:
    __slots__ = ("level", "since_ms", "slots")

    def __init__(self) -> None:
        self.level = Level.NORMAL
        self.since_ms = 0
        self.slots: dict[int, list[int]] = {}


class OwnLevels:
    """In this process, for the time in which Valkey is away."""

    def __init__(self, rules: LevelRules) -> None:
        self._rules = rules
        self._charities: OrderedDict[int, _Own] = OrderedDict()

    async def add(self, outcomes: Outcomes) -> dict[int, Reading]:
        """See `SharedLevels.add`."""
        at_ms = now_ms()
        slot = at_ms // SLOT_MS
        found: dict[int, Reading] = {}
        for charity_id, (paid, declined) in outcomes.items():
            own = self._charities.get(charity_id) or _Own()
            if paid or declined:
                counts = own.slots.setdefault(slot, [0, 0])
                counts[0] += paid
                counts[1] += declined
                self._keep(charity_id, own)
            own.slots = {s: c for s, c in own.slots.items() if s > slot - self._rules.slots}
            sums = [sum(counts[kind] for counts in own.slots.values()) for kind in (0, 1)]
            found[charity_id] = Reading(sums[0], sums[1], own.level, own.since_ms, at_ms)
        return found

    async def move(self, charity_id: int, was: Level, to: Level) -> bool:
        """See `SharedLevels.move`."""
        own = self._charities.get(charity_id) or _Own()
        if own.level is not was:
            return False
        own.level, own.since_ms = to, now_ms()
        self._keep(charity_id, own)
        return True

    def _keep(self, charity_id: int, own: _Own) -> None:
        self._charities[charity_id] = own
        self._charities.move_to_end(charity_id)
        if len(self._charities) > _CHARITIES_MAX:
            self._charities.popitem(last=False)
