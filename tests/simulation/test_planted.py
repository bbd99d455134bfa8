"""Planted bugs are found: a simulation that finds nothing would prove nothing."""

from __future__ import annotations

from typing import Final

import pytest

from simulation.planted import BUGS
from simulation.planted.bug import Bug, hunt

WITHIN_SEEDS: Final = {
    "fail-over of an UNKNOWN, no unique index": 10,
    "fail-over of an UNKNOWN": 10,
    "another request key for each try": 60,
    "sent before stamped": 5,
    "withdraws another's stamp": 320,
    "moves without version and lease": 140,
    "ids that do not follow from the key": 5,
    "a miss is a no": 5,
    "second miss too early": 25,
    "no answer is a miss": 65,
    "NOT_SENT for a reset": 120,
    "a 500 is a no": 25,
    "NOT_SENT for a deadline": 60,
    "believes the last word only": 480,
    "a webhook sets the state": 5,
    "told before written": 5,
    "stores an answer that is not final": 5,
    "answers a used key anew": 5,
    "reads an old copy": 30,
    "ledger outside of the move": 10,
    "event outside of the move": 10,
    "effect outside of its dedupe transaction": 15,
    "publishes `number > last`": 10,
    "look-alike guard without lock": 20,
    "drain without position": 450,
    "acknowledged before fsync": 500,
    "late money is kept from who was told no": 160,
}
"""After so many seeds each must have been found; about three times what it took at most, of four
hunts that began elsewhere."""


def test_every_planted_bug_has_a_limit() -> None:
    """And there are enough of them."""
    assert [bug.name for bug in BUGS] == list(WITHIN_SEEDS)
    assert len(BUGS) >= 14


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    """By the invariant that it breaks, within a stated number of seeds."""
    found = hunt(bug, seeds_max=WITHIN_SEEDS[bug.name])

    assert found is not None
