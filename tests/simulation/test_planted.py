"""Planted bugs are found: a simulation that finds nothing would prove nothing."""

from __future__ import annotations

from typing import Final

import pytest

from simulation.planted import BUGS, Planted, hunt

WITHIN_SEEDS: Final[dict[str, int]] = {
    "fail-over of an UNKNOWN, no unique index": 10,
    "fail-over of an UNKNOWN": 10,
    "another request key for each try": 100,
    "sent before stamped": 10,
    "withdraws what another request sent": 200,
    "moves without version and lease": 150,
    "ids that do not follow from the key": 10,
    "a miss is a no": 10,
    "second miss too early": 10,
    "NOT_SENT for a reset": 100,
    "a 500 is a no": 30,
    "NOT_SENT for a deadline": 30,
    "believes the last word only": 300,
    "told before written": 60,
    "stores an answer that is not final": 10,
    "answers a used key anew": 10,
    "reads an old copy": 60,
    "ledger outside of the move": 20,
    "event outside of the move": 20,
    "look-alike guard without lock": 30,
}
"""After so many seeds each must have been found; about three times what it took."""


def test_every_planted_bug_has_a_limit() -> None:
    """And there are enough of them."""
    assert [bug.name for bug in BUGS] == list(WITHIN_SEEDS)
    assert len(BUGS) >= 14


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Planted) -> None:
    """By the invariant that it breaks, within a stated number of seeds."""
    found = hunt(bug, seeds_max=WITHIN_SEEDS[bug.name])

    assert found is not None
