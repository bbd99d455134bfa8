"""What Valkey runs for the limits. Its clock is the only one, whoever asks."""

from __future__ import annotations

from typing import Final

TAKE: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local requests, seen_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local out, k, a = {}, 0, 2

local function tat_of(key)
  return math.max(tonumber(redis.call('GET', key) or now), now)
end

local function early_by(tat, interval, burst)
  return tat - (burst - 1) * interval - now
end

for r = 1, requests do
  local rules, count, named = tonumber(ARGV[a + 1]), ARGV[a + 2] == '1', ARGV[a + 3] == '1'
  local interval, burst = tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
  a = a + 5
  local seen, paused = KEYS[k + 1], KEYS[k + 2]
  k = k + 2
  local code, wait = 0, 0
  local again = named and redis.call('EXISTS', seen) == 1
  if again then
    local tat = tat_of(seen)
    wait = early_by(tat, interval, burst)
    if wait > 0 then
      code = -2
    else
      redis.call('SET', seen, tat + interval, 'PX', seen_ms)
    end
  else
    wait = redis.call('PTTL', paused)
    if wait > 0 then code = -1 end
  end
  local tats = {}
  for i = 1, rules do
    tats[i] = tat_of(KEYS[k + i])
    local early = early_by(tats[i], tonumber(ARGV[a + 2 * i - 1]), tonumber(ARGV[a + 2 * i]))
    if not again and code >= 0 and early > 0 and early > wait then
      code, wait = i, early
    end
  end
  local answer = {code, code == 0 and 0 or math.ceil(wait)}
  for i = 1, rules do
    if count and not again and code == 0 then
      tats[i] = tats[i] + tonumber(ARGV[a + 2 * i - 1])
      redis.call('SET', KEYS[k + i], tats[i], 'PX', math.ceil(tats[i] - now) + 1000)
    end
    answer[i + 2] = math.ceil((tats[i] - now) * 1000)
  end
  if named and count and not again and code == 0 then
    redis.call('SET', seen, now, 'PX', seen_ms)
  end
  out[r] = answer
  k, a = k + rules, a + 2 * rules
end
return out
"""
"""For each request: 0 if it may pass, the number of the rule that refuses it, -1 while paused for
failures, -2 when repeated too often; milliseconds to wait; and for each rule the microseconds used.
"""

FAILED: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local count, window, pause = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('LPUSH', KEYS[1], now)
redis.call('LTRIM', KEYS[1], 0, count - 1)
redis.call('PEXPIRE', KEYS[1], window)
local oldest = redis.call('LINDEX', KEYS[1], count - 1)
if oldest and now - tonumber(oldest) < window then
  redis.call('SET', KEYS[2], 1, 'PX', pause)
  redis.call('DEL', KEYS[1])
  return 1
end
return 0
"""
"""Notes a failure; gives 1 when it was one too many."""
