"""Run an application on a socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any, Final

import uvicorn
import uvloop

Application = Callable[[Any, Any, Any], Awaitable[None]]

RELEASE_AFTER_S: Final = 3.0
"""How long after a stop was asked for donors still wait for the word of the bank."""
GRACE_S: Final = 6


class _Server(uvicorn.Server):
    """A server that says when it begins to stop: uvicorn itself tells nobody before it ends."""

    def __init__(
        self, config: uvicorn.Config, on_stop: Callable[[], None], on_stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_stop = on_stop
        self._on_stopping = on_stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn; called in the main thread, between two steps of the loop."""
        super().handle_exit(sig, frame)
        loop = asyncio.get_running_loop()
        loop.call_soon(self._on_stop)
        loop.call_later(RELEASE_AFTER_S, self._on_stopping)


def run(
    application: Application,
    listen: tuple[str, int, int | None],
    on_stop: Callable[[], None] = lambda: None,
    on_stopping: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT; `on_stop` is called at once then, `on_stopping` later.

    `listen` is host, port, and the descriptor of a listening socket if one was handed down.
    """
    host, port, fd = listen
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_S,
        backlog=2048,
    )
    sockets = [socket.socket(fileno=fd)] if fd is not None else None
    uvloop.run(_Server(config, on_stop, on_stopping).serve(sockets=sockets))
