"""Recovered gifts that may be one donor's who gave twice without meaning to."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from almoner.operations.recovery.queries import Kept

WITHIN_MS: Final = 600_000


def look_alikes(charges: Iterable[Kept]) -> list[tuple[Kept, Kept]]:
    """Pairs of the same charity and amount that were charged within ten minutes, earlier first.

    The donors are lost, so nobody can tell whether it was one and the same: people may ask the
    gateway which cards they were. Leaves out what goes back anyway.
    """
    taken = [c for c in charges if c.became == "donation" and c.reason == "recovered"]
    taken.sort(key=lambda c: (c.charity_id or 0, str(c.money), c.charged_ms, c.order_id))
    return [
        (first, second)
        for first, second in pairwise(taken)
        if (first.charity_id, first.money) == (second.charity_id, second.money)
        and second.charged_ms - first.charged_ms <= WITHIN_MS
    ]
