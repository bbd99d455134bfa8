"""The sockets of the web processes, bound before anything else is started."""

from __future__ import annotations

import errno
import os
import socket
import time

from almoner.platform.embedded.errors import EmbeddedError


class PortTaken(EmbeddedError):
    """The address to listen on cannot be had."""


def bind_sockets(
    host: str, port: int, count: int, *, patience_s: float = 0.0
) -> list[socket.socket]:
    """`count` sockets on one address, not listening yet, between which the kernel spreads callers.

    Port 0 takes a free one, the same for all. Raises `PortTaken` when another program has the
    port, or the address is not ours, still after `patience_s` seconds.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            first = _bind_first(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise PortTaken(_complaint(host, port, error)) from error
            time.sleep(0.1)
        else:
            return [first, *(_bind_beside(first) for _ in range(count - 1))]


def _bind_first(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    first = socket.socket(family, kind, protocol)
    try:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        first.bind(address)
        # Only now: bound with it we would share the port with another server of the same user
        # that has it set as well, and take half of its callers.
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        first.close()
        raise
    return first


def _bind_beside(first: socket.socket) -> socket.socket:
    beside = socket.socket(first.family, first.type, first.proto)
    beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    beside.bind(first.getsockname())
    return beside


def _complaint(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is taken by another program. Stop that one, or choose another "
            "with --port (0 takes a free one)."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this user has: choose one above 1023."
    reason = error.strerror or os.strerror(error.errno or 0)
    return f"Cannot listen on {host} port {port}: {reason}. Check --host."
