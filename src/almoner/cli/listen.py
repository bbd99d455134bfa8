"""Run an application on a socket."""

from __future__ import annotations

import socket

import uvicorn
import uvloop
from litestar import Litestar


def run(application: Litestar, host: str, port: int, fd: int | None) -> None:
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
