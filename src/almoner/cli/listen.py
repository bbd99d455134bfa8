"""Run an application on a socket."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
import uvloop

Application = Callable[[Any, Any, Any], Awaitable[None]]


def run(
    application: Callable[[Any, Any, Any], Awaitable[None]], host: str, port: int, fd: int | None
) -> None:
    """Serve until SIGTERM or SIGINT; `fd` is a listening socket that was handed down."""
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
        timeout_graceful_shutdown=6,
        backlog=2048,
    )
    server = uvicorn.Server(config)
    sockets = [socket.socket(fileno=fd)] if fd is not None else None
    uvloop.run(server.serve(sockets=sockets))
