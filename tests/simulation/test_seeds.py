"""Two thousand seeds, and that a seed is always the same run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from simulation.campaign import Totals, run_seeds
from simulation.faults import KINDS
from simulation.run import run_seed

SHARES: Final = 20
SEEDS: Final = 100
"""Seeds of one share. The shares are spread over the processes that test."""

DIGEST: Final = """
import sys
from simulation.run import run_seed
print(*(run_seed(int(seed)).digest for seed in sys.argv[1:]))
"""


@pytest.mark.parametrize("share", range(SHARES))
def test_every_invariant_holds(share: int) -> None:
    """Under all faults, after healing, for a hundred seeds."""
    totals = run_seeds(range(share * SEEDS, (share + 1) * SEEDS))

    assert totals.broken == {}, hint(totals)
    assert totals.donations > SEEDS * 4
    assert set(totals.faults) <= KINDS
    assert len(set(totals.faults)) > len(KINDS) * 0.8


def test_the_same_seed_is_the_same_run() -> None:
    """To the last byte of the trace; another seed is another run."""
    once, again = run_seed(7, keep_trace=True), run_seed(7, keep_trace=True)

    assert once.trace == again.trace
    assert once.digest == again.digest
    assert run_seed(8).digest != once.digest


def test_the_same_seed_is_the_same_run_in_another_process() -> None:
    """Whatever the seed of Python's own hashes is."""
    seeds = [str(seed) for seed in range(10, 22)]
    told = {
        subprocess.run(
            [sys.executable, "-c", DIGEST, *seeds],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        ).stdout
        for hash_seed in ("1", "2", "random")
    }

    assert len(told) == 1
    assert told.pop().split() == [run_seed(int(seed)).digest for seed in seeds]


def hint(totals: Totals) -> str:
    """What broke first, and how to look at it."""
    seed, breaches = min(totals.broken.items())
    lines = "\n".join(breaches)
    return f"seed {seed} broke:\n{lines}\ncd tests && python -m simulation.replay {seed}"
