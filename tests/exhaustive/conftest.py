"""An installation, and processes beside it whose every statement can be struck."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

import pytest

from exhaustive.acts import Told, act
from exhaustive.wire import CountingWire, Moments, Strike
from support.installation import SECRET_KEY, SERVICE_TOKEN, Installation, Installations

_processes = multiprocessing.get_context("forkserver")
_MOMENTS_MAX = 300
_NOT_DONE = (0, 503)


@pytest.fixture(scope="session")
def forks() -> None:
    """Start the server that forks processes, with everything imported once.

    It does not learn by itself where our modules are.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    _processes.set_forkserver_preload(["exhaustive.acts"])
    forkserver.ensure_running()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


class Struck:
    """Runs acts in a process of its own, on the same databases through counting wires."""

    def __init__(
        self,
        almoner: Installation,
        settings: dict[str, Any],
        moments: Moments,
        wires: dict[str, CountingWire],
    ) -> None:
        self.almoner = almoner
        self.moments = moments
        self.labels: list[str] = []
        self._settings = settings
        self._wires = wires
        self._told: Told | None = None

    def each_moment(self, *passing: str) -> Iterator[int]:
        """The number of each moment of an act, until it came to its end before its turn.

        It did if it has told so, and has passed statements that hold these words. One that gave up
        early, because the machine was slow, is tried once more there.
        """
        for _ in range(_MOMENTS_MAX):
            yield len(self.labels)
            if self.moments.struck is not None:
                self.labels.append(self.moments.struck)
            elif self._has_ended(passing):
                return
        raise AssertionError(f"the act does not come to its end: {self.labels}")

    def _has_ended(self, passing: Sequence[str]) -> bool:
        return (
            self._told is not None
            and self._told[0] not in _NOT_DONE
            and all(any(words in label for label in self.moments.seen) for words in passing)
        )

    async def run(
        self,
        at: int,
        strike: Strike,
        name: str,
        *,
        when_ready: bool = False,
        cut: bool = False,
        **request: Any,
    ) -> Told | None:
        """Strike at one moment of an act; gives what it told, if it lived to tell.

        Moments are counted from the start of the process or, `when_ready`, from where it is up.
        With `cut` its database goes away there.
        """
        self.moments.arm(-1 if when_ready else at, strike, lambda: None)
        mine, its = _processes.Pipe()
        process = _processes.Process(target=act, args=(name, self._settings, request, its))
        process.start()
        its.close()
        if not when_ready:
            self.moments.kill = process.kill
        self._told = None
        try:
            while self._told is None:
                said, what = await asyncio.to_thread(mine.recv)
                if said == "ready":
                    if when_ready:
                        self.moments.arm(at, strike, process.kill)
                    if cut:
                        self._wires["database_url"].cut()
                    _go(mine)
                elif said == "struck":
                    self.moments.struck = what
                else:
                    self._told = what
        except (EOFError, ConnectionError):
            pass  # it died before it could tell
        finally:
            await asyncio.to_thread(process.join, 20)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
            mine.close()
        for wire in self._wires.values():
            await wire.until_quiet()
            wire.mend()
        return self._told


def _go(talk: Connection) -> None:
    talk.send(None)


@pytest.fixture
async def struck(
    installation: Installations, new_database: Callable[..., str], redis_url: str, forks: None
) -> AsyncIterator[Callable[..., Any]]:
    """Makes an installation and a process beside it. Keyword arguments are settings of both,
    `beside` are settings of the process alone."""
    async with AsyncExitStack() as stack:

        async def make(beside: dict[str, Any] | None = None, **settings: Any) -> Struck:
            urls = {
                "database_url": new_database(),
                "sandbox_database_url": new_database(empty=True),
            }
            almoner = await installation(**urls, **settings)
            moments = Moments()
            wires: dict[str, CountingWire] = {}
            for name, url in urls.items():
                wires[name] = CountingWire(name.removesuffix("_url"), url, moments)
                await wires[name].open()
                stack.push_async_callback(wires[name].close)
            common = {
                "secret_key": SECRET_KEY,
                "service_token": SERVICE_TOKEN,
                "sandbox_latency_ms": 5,
                "redis_url": redis_url,
            }
            wired = {name: wire.url for name, wire in wires.items()}
            return Struck(
                almoner, {**common, **settings, **wired, **(beside or {})}, moments, wires
            )

        yield make
