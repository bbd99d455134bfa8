"""What a planted bug is, and how it is hunted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from msgspec import Struct

from simulation.run import Run, run_on_stage
from simulation.stage import set_up

Plant = Callable[[ExitStack], None]


def no_change(_: Run) -> None:
    """Nothing to change in the run itself."""


def no_plant(_: ExitStack) -> None:
    """Nothing to replace in the code."""


class Bug(Struct, frozen=True):
    """A mistake. `found_by` are the numbers of the invariants that find it."""

    name: str
    sentence: str
    found_by: frozenset[int]
    plant: Plant = no_plant
    in_run: Callable[[Run], None] = no_change


class Found(Struct, frozen=True):
    """After how many seeds a planted bug was found, and what it broke."""

    seeds: int
    breach: str


def hunt(bug: Bug, *, seeds_max: int, first: int = 0) -> Found | None:
    """Run seeds until the bug is found by one of its invariants; None if it was not."""
    with set_up(), planted(bug):
        for seed in range(first, first + seeds_max):
            report = run_on_stage(seed, change=bug.in_run)
            for breach in report.breaches:
                if int(breach.partition(" ")[0]) in bug.found_by:
                    return Found(seed - first + 1, breach)
    return None


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """The bug is there meanwhile."""
    with ExitStack() as stack:
        bug.plant(stack)
        yield


def replace(stack: ExitStack, owner: object, name: str, value: object) -> None:
    """Let another value take a name's place, until the stack is closed."""
    stack.enter_context(patch.object(owner, name, value))
