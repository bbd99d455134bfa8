"""Where code runs: on a node, with a donor, at the gateway. A task inherits the place it began in.

A place can be stopped for a while, or for good. Nothing that belongs to it runs then: no `except`,
no `finally`, no callback. That is what `kill -9` and SIGSTOP do to a process.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar, copy_context
from enum import Enum


class Life(Enum):
    """Whether what belongs to a place runs."""

    RUNNING = 0
    PAUSED = 1
    DEAD = 2


class Place:
    """One process, or one party outside. A process that is started again is another place."""

    __slots__ = ("_context", "held", "life", "name", "skew_ms")

    def __init__(self, name: str, *, skew_ms: int = 0) -> None:
        self.name = name
        self.skew_ms = skew_ms
        self.life = Life.RUNNING
        self.held: list[asyncio.Handle] = []
        self._context = copy_context()
        self._context.run(HERE.set, self)

    def __repr__(self) -> str:
        return self.name

    def context(self) -> Context:
        """A context for a callback or task of this place."""
        return self._context.copy()


HERE: ContextVar[Place] = ContextVar("place")
"""The place of the code that runs now."""

REQUEST: ContextVar[int] = ContextVar("request", default=0)
"""The number of the donor's request that the code that runs now serves."""
