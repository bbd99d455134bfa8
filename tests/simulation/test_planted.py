"""Planted bugs are found: a simulation that finds nothing would prove nothing."""

from __future__ import annotations

from typing import Final

import pytest

from simulation.planted import BUGS
from simulation.planted.bug import Bug, hunt

WITHIN_SEEDS: Final[dict[str, int]] = {}
"""After so many seeds each must have been found; about three times what it took."""


def test_every_planted_bug_has_a_limit() -> None:
    """And there are enough of them."""
    assert [bug.name for bug in BUGS] == list(WITHIN_SEEDS)
    assert len(BUGS) >= 14


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    """By the invariant that it breaks, within a stated number of seeds."""
    found = hunt(bug, seeds_max=WITHIN_SEEDS[bug.name])

    assert found is not None
