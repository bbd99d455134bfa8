"""The stage: what the real parts find where they look for servers, files and gateways.

`set_up()` replaces, for as long as it holds, the names through which production code reaches
outside: psycopg's connections and pool, the journal's folder, the gateway's adapter, the pace of
loops, the logs, and every statement. Everything else is the real code, composed by the real
`almoner.bootstrap`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import almoner.bootstrap
from almoner.platform import db, loops
from almoner.platform.loops import Loop
from almoner.platform.reporting import Reporting
from simulation.gateway import SimGateway
from simulation.places import HERE
from simulation.quiet import quiet
from simulation.segments import SimSegments
from simulation.store.connection import SimConnection
from simulation.store.pool import SimLender
from simulation.twins import redirected

if TYPE_CHECKING:
    import asyncio

    from simulation.run import Run

_playing: list[Run] = []
_run_loop: Final = loops._run


def playing() -> Run:
    """The run that goes on in this process."""
    return _playing[-1]


@contextmanager
def on_stage(run: Run) -> Iterator[None]:
    """This run goes on meanwhile."""
    _playing.append(run)
    try:
        yield
    finally:
        _playing.pop()


@contextmanager
def set_up() -> Iterator[None]:
    """See the module."""
    with ExitStack() as stack:
        stack.enter_context(redirected())
        stack.enter_context(quiet(lambda: playing().world.logged, lambda: playing().world.told))
        stack.enter_context(patch.object(db, "AsyncConnection", _Connecting))
        stack.enter_context(patch.object(db, "AsyncConnectionPool", _pool))
        stack.enter_context(patch.object(db, "Lender", SimLender))
        stack.enter_context(patch.object(db, "_hang_up", SimConnection.hang_up))
        stack.enter_context(patch.object(loops, "_run", _run))
        stack.enter_context(patch.object(Reporting, "_run", _no_report))
        for module in _composing():
            for name, stand_in in _STAND_INS.items():
                if hasattr(module, name):
                    stack.enter_context(patch.object(module, name, stand_in))
        yield


def _composing() -> list[Any]:
    """The modules of `almoner.bootstrap`."""
    package = almoner.bootstrap
    names = [info.name for info in pkgutil.iter_modules(package.__path__)]
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


class _Connecting:
    """Stands for `psycopg.AsyncConnection`."""

    def __class_getitem__(cls, _: object) -> type[_Connecting]:
        return cls

    @staticmethod
    async def connect(_: str, *, connect_timeout: float = 2.0, **__: object) -> SimConnection:
        """Connect as a `Writer` does."""
        server, place = playing().server, HERE.get()
        await server.connect(place, connect_timeout)
        return SimConnection(server, place, writing=True)


def _pool(_: str, *, timeout: float = 5.0, configure: Any = None, **__: object) -> Any:
    from simulation.store.pool import SimPool

    return SimPool(playing().server, timeout, configure)


def _make_gateway(*_: object, **__: object) -> SimGateway:
    run = playing()
    return SimGateway(run.world, run.bank)


def _disk_segments(_: object) -> SimSegments:
    return SimSegments(playing().disk)


_STAND_INS: Final[dict[str, Any]] = {
    "make_gateway": _make_gateway,
    "DiskSegments": _disk_segments,
}


async def _run(loop: Loop, stopping: asyncio.Event) -> None:
    await _run_loop(playing().pace.paced(loop), stopping)


async def _no_report(_: Reporting) -> None:
    """Gauges that nobody reads are not set."""
