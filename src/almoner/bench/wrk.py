"""`wrk` as a load generator (https://github.com/wg/wrk, scripting in its SCRIPTING file)."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from almoner.bench.cpu import cpu_s, ended_children_s, machine_busy_s, others_s, since
from almoner.bench.errors import BenchError
from almoner.bench.generator import AMOUNT_MINOR_MAX
from almoner.bench.heard import Heard, Latency
from almoner.bench.programs import find
from almoner.bench.trial import Trial

THREADS: Final = 2

_DONE: Final = """
function done(summary, latency, requests)
  local paid, accepted, other = 0, 0, 0
  for _, thread in ipairs(threads) do
    paid = paid + (thread:get("paid") or 0)
    accepted = accepted + (thread:get("accepted") or 0)
    other = other + (thread:get("other") or 0)
  end
  local e = summary.errors
  io.write(string.format(
    '\\nRESULT {"requests":%d,"duration_us":%d,"status_errors":%d,"socket_errors":%d,' ..
    '"p50_us":%d,"p95_us":%d,"p99_us":%d,"worst_us":%d,"paid":%d,"accepted":%d,"other":%d}\\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max,
    paid, accepted, other))
end
"""

LIST_SCRIPT: Final = "threads = {}\n" + _DONE
"""Asks for the same page again and again."""

GIVE_SCRIPT: Final = (
    """
threads = {}
function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end
function init(args)
  math.randomseed(tonumber(args[1]) + number)
  run, asked, paid, accepted, other = string.format("%08x", math.random(0, 2^31)), 0, 0, 0, 0
  first, count, minor_max = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  headers = {["Content-Type"] = "application/json"}
end
function request()
  asked = asked + 1
  local ms = os.time() * 1000 + asked % 1000
  headers["Idempotency-Key"] = string.format("%08x-%04x-7%03x-%04x-%06x%06x",
    math.floor(ms / 65536), ms % 65536, math.random(0, 4095), math.random(32768, 49151),
    math.random(0, 16777215), math.random(0, 16777215))
  local minor = math.random(100, minor_max)
  return wrk.format("POST", "/donations", headers, string.format(
    '{"first_name":"Ann","last_name":"Larsson","email":"%s.%d@example.com","charity_id":%d,' ..
    '"amount":"%d.%02d","currency":"USD","payment_method_nonce":"fake-valid-nonce"}',
    run, asked, first + math.random(0, count - 1), math.floor(minor / 100), minor % 100))
end
function response(status)
  if status == 201 then paid = paid + 1
  elseif status == 202 then accepted = accepted + 1
  else other = other + 1 end
end
"""
    + _DONE
)
"""Gives, each request with its own key and mail address."""


class WrkResult(Struct, frozen=True):
    """What wrk counted; times in microseconds. `paid`, `accepted` and `other` for gifts only."""

    requests: int
    duration_us: int
    status_errors: int
    socket_errors: int
    p50_us: int
    p95_us: int
    p99_us: int
    worst_us: int
    paid: int
    accepted: int
    other: int

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return self.requests / (self.duration_us / 1e6)

    @property
    def latency(self) -> Latency:
        """Percentiles in milliseconds."""
        spread = (self.p50_us, self.p95_us, self.p99_us, self.worst_us)
        return Latency(*(round(us / 1000, 2) for us in spread))


def run_wrk(
    script: str, url: str, *, connections: int, seconds: float, folder: Path, words: tuple[str, ...]
) -> WrkResult:
    """Run wrk for some seconds; `words` go to the script. Raises BenchError, MissingProgram."""
    path = folder / "wrk.lua"
    path.write_text(script)
    threads = min(THREADS, connections)
    argv = [
        *(find("wrk"), f"-t{threads}", f"-c{connections}", f"-d{max(1, round(seconds))}s"),
        *("--timeout", "30s", "-s", str(path), url, "--", *words),
    ]
    done = subprocess.run(  # noqa: S603 - every word is ours
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or found is None:
        raise BenchError(f"wrk failed:\n{(done.stdout + done.stderr).strip()[-800:]}")
    return msgspec.json.decode(found[1], type=WrkResult)


def drive_with_wrk(
    trial: Trial, *, connections: int, warm_up_s: float, seconds: float, charity_ids: list[int]
) -> Heard:
    """As `drive` does, but wrk cannot read answers and cuts off those it is still waiting for."""

    def run(for_s: float) -> WrkResult:
        return run_wrk(
            GIVE_SCRIPT,
            f"http://{trial.host}:{trial.port}",
            connections=connections,
            seconds=for_s,
            folder=trial.folder,
            words=(
                *(str(secrets.randbelow(2**31)), str(charity_ids[0]), str(len(charity_ids))),
                str(AMOUNT_MINOR_MAX),
            ),
        )

    results = [run(warm_up_s)] if warm_up_s > 0 else []
    roles = trial.roles()
    before, wrk_s, busy_s = cpu_s(roles), ended_children_s(), machine_busy_s()
    measured = run(seconds)
    used = since(before, cpu_s(roles))
    used["generator"] = round(ended_children_s() - wrk_s, 2)
    results.append(measured)
    return Heard(
        told=_told(results),
        paid_measured=measured.paid,
        seconds=measured.duration_us / 1e6,
        latency=measured.latency,
        wrong=0,
        unanswered=sum(result.socket_errors for result in results),
        unheard_max=connections * len(results),
        samples=[],
        cpu_s=used,
        others_cpu_s=others_s(busy_s, used),
    )


def _told(results: Sequence[WrkResult]) -> dict[str, int]:
    told = {
        "201": sum(result.paid for result in results),
        "202": sum(result.accepted for result in results),
        "other": sum(result.other for result in results),
    }
    return {status: count for status, count in told.items() if count}
