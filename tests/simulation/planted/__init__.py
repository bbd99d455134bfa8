"""Planted bugs: each is a mistake that somebody could make, and that a run must find.

A bug is planted by replacing something of the production code, or of its twins, for as long as the
runs take. `test_planted.py` says after how many seeds each must have been found.
"""

from __future__ import annotations

from typing import Final

from simulation.planted import attempts, evidence, keeping, telling, together
from simulation.planted.bug import Bug

BUGS: Final[tuple[Bug, ...]] = (
    *attempts.BUGS,
    *evidence.BUGS,
    *telling.BUGS,
    *together.BUGS,
    *keeping.BUGS,
)
"""All of them."""
