"""A campaign: many seeds in several processes, and what they came to.

python -m simulation.campaign --seeds 2000 [--first 0] [--processes 2]
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from msgspec import Struct, field

from simulation.faults import KINDS
from simulation.invariants import INVARIANTS
from simulation.run import Report, run_on_stage
from simulation.stage import set_up

CAMPAIGN: Final = 1_000
"""So many seeds must have seen every kind of fault."""
_SHARE: Final = 50
"""Seeds that a process runs before it tells what it found."""


class Totals(Struct):
    """What some seeds came to."""

    seeds: int = 0
    donations: int = 0
    requests: int = 0
    captured: int = 0
    commits: int = 0
    lock_waits: int = 0
    virtual_s: float = 0.0
    steps: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    logged: Counter[str] = field(default_factory=Counter)
    broken: dict[int, list[str]] = field(default_factory=dict)

    def add(self, report: Report) -> None:
        """Count one run."""
        self.seeds += 1
        self.donations += report.donations
        self.requests += report.requests
        self.captured += report.captured
        self.commits += report.commits
        self.lock_waits += report.lock_waits
        self.virtual_s += report.virtual_s
        self.steps += report.steps
        self.faults.update(report.faults)
        self.logged.update(report.logged)
        if report.breaches:
            self.broken[report.seed] = report.breaches

    def join(self, other: Totals) -> None:
        """Count what another process counted."""
        for name in ("seeds", "donations", "requests", "captured", "commits", "lock_waits"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.virtual_s += other.virtual_s
        self.steps += other.steps
        self.faults.update(other.faults)
        self.logged.update(other.logged)
        self.broken.update(other.broken)

    def unseen(self) -> list[str]:
        """Kinds of fault that never happened, in a campaign long enough for all of them."""
        return sorted(KINDS - set(self.faults)) if self.seeds >= CAMPAIGN else []


def run_seeds(seeds: Iterable[int]) -> Totals:
    """Run seeds in this process, one after the other."""
    totals = Totals()
    gc.collect()
    gc.freeze()
    with set_up():
        for seed in seeds:
            totals.add(run_on_stage(seed))
    gc.unfreeze()
    return totals


def campaign(first: int, seeds: int, processes: int) -> Iterator[Totals]:
    """The totals so far, again and again, until all seeds were run."""
    shares = [
        range(start, min(start + _SHARE, first + seeds))
        for start in range(first, first + seeds, _SHARE)
    ]
    totals = Totals()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for part in pool.map(run_seeds, shares):
            totals.join(part)
            yield totals


def told(totals: Totals, wall_s: float) -> str:
    """Totals in words and tables (Markdown)."""
    days = totals.virtual_s / 86_400
    lines = [
        "| what | count |",
        "| --- | ---: |",
        f"| seeds | {totals.seeds:,} |",
        f"| donations | {totals.donations:,} |",
        f"| requests of donors | {totals.requests:,} |",
        f"| captured charges | {totals.captured:,} |",
        f"| database commits | {totals.commits:,} |",
        f"| waits for a lock | {totals.lock_waits:,} |",
        f"| steps of the loop | {totals.steps:,} |",
        f"| virtual time | {days:,.1f} days |",
        f"| real time | {wall_s:,.0f} s |",
        f"| faults injected | {totals.faults.total():,} |",
        f"| invariants checked after each seed | {len(INVARIANTS)} |",
        f"| seeds with a broken invariant | {len(totals.broken):,} |",
        "",
        "| fault | times |",
        "| --- | ---: |",
    ]
    lines += [f"| `{kind}` | {count:,} |" for kind, count in sorted(totals.faults.items())]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run a campaign; 1 when an invariant broke or a kind of fault never happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args(arguments)
    began = time.monotonic()
    totals = Totals()
    for totals in campaign(given.first, given.seeds, given.processes):
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{totals.seeds:,} seeds, {len(totals.broken)} broken ")
    sys.stderr.write("\n")
    sys.stdout.write("\n".join(_said(totals, time.monotonic() - began)) + "\n")
    return 1 if totals.broken or totals.unseen() else 0


def _said(totals: Totals, wall_s: float) -> Iterator[str]:
    yield told(totals, wall_s)
    for seed, breaches in sorted(totals.broken.items())[:20]:
        yield f"\nseed {seed} broke:"
        yield from (f"  {breach}" for breach in breaches)
        yield f"  replay it: cd tests && python -m simulation.replay {seed}"
    if totals.unseen():
        yield f"\nnever happened: {', '.join(totals.unseen())}"


if __name__ == "__main__":
    sys.exit(main())
