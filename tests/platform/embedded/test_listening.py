"""Binding: one port for all web processes, and nobody else's."""

from __future__ import annotations

import socket
import threading

import pytest

from almoner.platform.embedded.listening import PortTaken, bind_sockets


def _close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


def test_all_sockets_share_one_free_port() -> None:
    """Port 0 takes a free one, the same for every web process."""
    sockets = bind_sockets("127.0.0.1", 0, 3)

    names = {one.getsockname() for one in sockets}
    for one in sockets:
        one.listen()
    _close(sockets)
    assert len(names) == 1


def test_a_taken_port_is_refused() -> None:
    """A program that listens keeps its port, and we say which it is."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(PortTaken, match=f"Port {port} on 127.0.0.1 is taken"):
            bind_sockets("127.0.0.1", port, 2)


def test_a_port_another_almoner_has_is_refused() -> None:
    """Although its sockets may be shared: half of its donors would come to us."""
    first = bind_sockets("127.0.0.1", 0, 2)
    for one in first:
        one.listen()

    with pytest.raises(PortTaken):
        bind_sockets("127.0.0.1", first[0].getsockname()[1], 2)

    _close(first)


def test_a_port_that_gets_free_in_time_is_taken() -> None:
    """After a crash the last run's processes may hold the port for a moment."""
    other = socket.create_server(("127.0.0.1", 0))
    port = other.getsockname()[1]
    threading.Timer(0.3, other.close).start()

    sockets = bind_sockets("127.0.0.1", port, 1, patience_s=5)

    assert sockets[0].getsockname()[1] == port
    _close(sockets)


def test_an_address_of_another_machine_is_refused() -> None:
    """192.0.2.0/24 is nobody's (RFC 5737)."""
    with pytest.raises(PortTaken, match="Check --host"):
        bind_sockets("192.0.2.1", 0, 1)
