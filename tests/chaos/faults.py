"""Faults: one kind after the other, drawn from a seed, against the processes of one `serve`."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable

from chaos.outages import children_of, send
from support.serving import Serving

VICTIMS = ("web", "worker", "postgres", "valkey")
_NAMED = {"postgres": "postgres", "valkey": "valkey"}

Fault = Callable[[], Awaitable[bool]]


class Fire:
    """Kills and stops processes, and whatever else it is given, until it is told to end."""

    def __init__(self, running: Serving, seed: int, *, every_s: float) -> None:
        self._running = running
        self._random = random.Random(seed)
        self._every_s = every_s
        self.done: Counter[str] = Counter()
        self._faults: dict[str, Fault] = {}
        for victim in VICTIMS:
            self._faults[f"kill -9 {victim}"] = self._killing(victim)
            self._faults[f"SIGSTOP {victim}"] = self._stopping(victim)

    def add(self, name: str, fault: Fault) -> None:
        """A further kind of fault; it tells whether it could happen."""
        self._faults[name] = fault

    async def rage(self) -> None:
        """Every kind once in a drawn order, then again, until cancelled."""
        while True:
            names = list(self._faults)
            self._random.shuffle(names)
            for name in names:
                await asyncio.sleep(self._every_s * self._random.uniform(0.6, 1.4))
                if await self._faults[name]():
                    self.done[name] += 1

    def missing(self) -> list[str]:
        """Kinds that did not happen yet."""
        return [name for name in self._faults if not self.done[name]]

    def _killing(self, victim: str) -> Fault:
        async def kill() -> bool:
            pid = await asyncio.to_thread(self._process_of, victim)
            return pid is not None and send(pid, signal.SIGKILL)

        return kill

    def _stopping(self, victim: str) -> Fault:
        async def stop() -> bool:
            pid = await asyncio.to_thread(self._process_of, victim)
            if pid is None or not send(pid, signal.SIGSTOP):
                return False
            pids = [pid, *(children_of(pid) if victim == "postgres" else [])]
            for child in pids[1:]:
                send(child, signal.SIGSTOP)
            try:
                await asyncio.sleep(self._random.uniform(0.5, 3.0))
            finally:  # whatever happens, nobody stays frozen
                for stopped in pids:
                    send(stopped, signal.SIGCONT)
            return True

        return stop

    def _process_of(self, victim: str) -> int | None:
        """Some process of that kind."""
        found = self._running.children(victim)
        if not found and victim in _NAMED:
            found = self._running.children_named(_NAMED[victim])
        return self._random.choice(sorted(found)) if found else None
