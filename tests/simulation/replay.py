"""Replay one seed, with a trace of everything that happened.

python -m simulation.replay SEED [--bug NAME]
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack

from simulation.planted import BUGS
from simulation.planted.bug import planted
from simulation.run import Run, run_on_stage
from simulation.stage import set_up
from simulation.world import BEGAN_MS


def main(arguments: list[str] | None = None) -> int:
    """Print the trace, merged with what was committed; 1 when an invariant broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--bug", choices=[bug.name for bug in BUGS])
    given = parser.parse_args(arguments)
    runs: list[Run] = []
    bug = next((bug for bug in BUGS if bug.name == given.bug), None)

    def prepare(run: Run) -> None:
        runs.append(run)
        if bug is not None:
            bug.in_run(run)

    with ExitStack() as stack:
        stack.enter_context(set_up())
        if bug is not None:
            stack.enter_context(planted(bug))
        report = run_on_stage(given.seed, keep_trace=True, change=prepare)
    lines = [(float(line.partition(" ")[0]), line) for line in report.trace or []]
    lines += _commits(runs[0])
    for _, line in sorted(lines, key=lambda pair: pair[0]):
        say(line)
    say(f"\ndigest {report.digest}, {report.donations} donations, {report.steps} steps")
    for breach in report.breaches:
        say(f"BROKEN {breach}")
    return 1 if report.breaches else 0


def say(text: str) -> None:
    """To standard output."""
    sys.stdout.write(f"{text}\n")


def _commits(run: Run) -> list[tuple[float, str]]:
    found = []
    for change in run.server.store.history:
        at_s = (change.at_ms - BEGAN_MS) / 1000
        row = change.old if change.new is None else change.new
        names = [n for n in ("state", "version", "lease_epoch", "number", "kind", "account",
                             "amount_minor", "response_status", "donation_id", "payable_id",
                             "attempt_id") if hasattr(row, n)]  # fmt: skip
        what = " ".join(f"{name}={getattr(row, name)}" for name in names)
        deed = "insert" if change.old is None else "delete" if change.new is None else "update"
        found.append(
            (
                at_s,
                f"{at_s:.6f} commit {change.commit} by {change.place} {deed} {change.table} {what}",
            )
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
