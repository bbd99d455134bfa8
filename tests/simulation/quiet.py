"""Logs of the production code are counted instead of written."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Tally:
    """A logger that counts what it is told, in the counter of the run that goes on."""

    def __init__(
        self,
        counts: Callable[[], Counter[str]],
        events: Callable[[], list[dict[str, object]]],
    ) -> None:
        self._counts = counts
        self._events = events

    def __getattr__(self, level: str) -> Any:
        def count(event: str = "", *_: object, **told: object) -> None:
            if event == "event_told":
                self._events().append(told)
            error = sys.exc_info()[0] if level == "exception" else None
            self._counts()[f"{level} {event}" + (f" {error.__name__}" if error else "")] += 1

        return count


@contextmanager
def quiet(
    counts: Callable[[], Counter[str]], events: Callable[[], list[dict[str, object]]]
) -> Iterator[None]:
    """Meanwhile what `almoner` logs is counted in what `counts` gives.

    What the log is told of events, as their consumer, is kept in what `events` gives.
    """
    tally = Tally(counts, events)
    before = [
        (vars(module), vars(module)["log"])
        for name, module in list(sys.modules.items())
        if name.startswith("almoner.") and "log" in vars(module)
    ]
    for names, _ in before:
        names["log"] = tally
    try:
        yield
    finally:
        for names, log in before:
            names["log"] = log
