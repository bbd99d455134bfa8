"""An installation, and processes beside it whose every statement can be struck."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from multiprocessing import forkserver
from typing import Any

import pytest

from exhaustive.acts import Told, act
from exhaustive.wire import CountingWire, Moments, Strike
from support.installation import SECRET_KEY, SERVICE_TOKEN, Installation, Installations

_processes = multiprocessing.get_context("forkserver")


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

    def __init__(self, almoner: Installation, settings: dict[str, Any], moments: Moments) -> None:
        self.almoner = almoner
        self.moments = moments
        self._settings = settings

    async def run(self, at: int, strike: Strike, name: str, **request: Any) -> Told | None:
        """Strike at one moment of an act; gives what it told, if it lived to tell."""
        mine, its = _processes.Pipe(duplex=False)
        process = _processes.Process(target=act, args=(name, self._settings, request, its))
        process.start()
        its.close()
        self.moments.arm(at, strike, process.kill)
        told: Told | None = None
        try:
            told = await asyncio.to_thread(mine.recv)
        except EOFError:
            pass  # it died before it could tell
        finally:
            await asyncio.to_thread(process.join, 20)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
            mine.close()
        return told


@pytest.fixture
async def struck(
    installation: Installations, new_database: Callable[..., str], redis_url: str, forks: None
) -> AsyncIterator[Callable[..., Any]]:
    """Makes an installation and a process beside it. Keyword arguments are settings of both."""
    async with AsyncExitStack() as stack:

        async def make(**settings: Any) -> Struck:
            urls = {
                "database_url": new_database(),
                "sandbox_database_url": new_database(empty=True),
            }
            almoner = await installation(**urls, **settings)
            moments = Moments()
            wired: dict[str, str] = {}
            for name, url in urls.items():
                wire = CountingWire(name.removesuffix("_url"), url, moments)
                await wire.open()
                stack.push_async_callback(wire.close)
                wired[name] = wire.url
            common = {
                "secret_key": SECRET_KEY,
                "service_token": SERVICE_TOKEN,
                "sandbox_latency_ms": 5,
                "redis_url": redis_url,
            }
            return Struck(almoner, {**common, **settings, **wired}, moments)

        yield make
