"""Drive an installation with our own generator, in a process beside it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import msgspec

from almoner.bench.cpu import cpu_s, machine_busy_s, since
from almoner.bench.errors import BenchError
from almoner.bench.generator import Order, Tally
from almoner.bench.heard import Heard, latency_of
from almoner.bench.trial import Trial

START_S = 0.7
ANSWER_WAIT_S = 20.0


def drive(
    trial: Trial, *, connections: int, warm_up_s: float, seconds: float, charity_ids: list[int]
) -> Heard:
    """Give for `warm_up_s` uncounted and `seconds` counted. Raises BenchError."""
    measure_from = time.monotonic() + START_S + warm_up_s
    order = Order(
        host=trial.host,
        port=trial.port,
        connections=connections,
        measure_from=measure_from,
        measure_until=measure_from + seconds,
        answer_wait_s=ANSWER_WAIT_S,
        charity_ids=charity_ids,
        ids_path=str(trial.folder / "ids"),
    )
    with _started(order, trial.folder / "generator.log") as process:
        try:
            roles = trial.roles()
            _sleep_until(order.measure_from)
            before, busy_s = cpu_s(roles), machine_busy_s()
            _sleep_until(order.measure_until)
            used, busy_s = since(before, cpu_s(roles)), machine_busy_s() - busy_s
            said, _ = process.communicate(timeout=ANSWER_WAIT_S + 10)
        finally:
            process.kill()
    if process.returncode != 0:
        log = (trial.folder / "generator.log").read_text()[-800:]
        raise BenchError(f"The load generator ended with {process.returncode}:\n{log}")
    return _heard(order, msgspec.json.decode(said, type=Tally), used, busy_s)


def _started(order: Order, log: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "almoner.bench.generator", msgspec.json.encode(order).decode()]
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - every word is ours
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output
        )


def _heard(order: Order, tally: Tally, used: dict[str, float], busy_s: float) -> Heard:
    used = {**used, "generator": tally.cpu_s}
    return Heard(
        told=tally.told,
        paid_measured=tally.paid_measured,
        seconds=order.measure_until - order.measure_from,
        latency=latency_of(tally.latency_us),
        wrong=tally.wrong,
        unanswered=tally.unanswered,
        unheard_max=0,
        samples=tally.samples,
        cpu_s=used,
        others_cpu_s=round(max(0.0, busy_s - sum(used.values())), 2),
        ids_path=order.ids_path,
    )


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.monotonic()))
