"""What a failure of the outside proves: everything is decided."""

from __future__ import annotations

import asyncio
import builtins
import inspect
import socket
import ssl
from types import ModuleType

import aiohttp
import pytest
from aiohttp import client_exceptions, http_exceptions

from almoner.payments import classify
from almoner.payments.classify import SALE, TRANSPORT, Signal
from almoner.payments.declines import DONOR_WORDS
from almoner.payments.gateway import Seen


def classes_of(module: ModuleType) -> set[type[BaseException]]:
    """The exception classes that a module defines."""
    return {
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and issubclass(kind, BaseException)
        and kind.__module__ == module.__name__
    }


@pytest.mark.parametrize("module", [client_exceptions, http_exceptions])
def test_every_exception_of_the_http_client_is_decided(module: ModuleType) -> None:
    """A new version that adds one makes this fail, so that somebody decides."""
    classes = classes_of(module)

    assert len(classes) > 10
    assert sorted(kind.__name__ for kind in classes - set(TRANSPORT.table)) == []


def test_every_connection_error_of_the_language_is_decided() -> None:
    """Whatever class of theirs a library lets through."""
    classes = {
        kind
        for kind in vars(builtins).values()
        if inspect.isclass(kind) and issubclass(kind, (ConnectionError, TimeoutError))
    }

    assert len(classes) == 6
    assert classes <= set(TRANSPORT.table)
    assert {socket.gaierror, ssl.SSLError, asyncio.IncompleteReadError} <= set(TRANSPORT.table)


@pytest.mark.parametrize(
    ("error", "signal"),
    [
        (socket.gaierror(-2, "no such name"), Signal.NOT_SENT),
        (ConnectionRefusedError(), Signal.NOT_SENT),
        (aiohttp.ConnectionTimeoutError(), Signal.NOT_SENT),
        (ssl.SSLCertVerificationError(), Signal.NOT_SENT),
        (aiohttp.SocketTimeoutError(), Signal.LOST),
        (aiohttp.ServerDisconnectedError(), Signal.LOST),
        (aiohttp.ClientPayloadError(), Signal.LOST),
        (aiohttp.ClientOSError(), Signal.LOST),
        (ConnectionResetError(), Signal.LOST),
        (BrokenPipeError(), Signal.LOST),
        (TimeoutError(), Signal.LOST),
        (asyncio.IncompleteReadError(b"", 9), Signal.LOST),
        (RuntimeError("nobody foresaw it"), Signal.LOST),
        (aiohttp.InvalidUrlClientError("x"), Signal.FAULT),
    ],
)
def test_only_what_comes_before_the_first_byte_proves_that_nothing_was_sent(
    error: Exception, signal: Signal
) -> None:
    """A name that is not found, a refused or timed-out connection; a reset proves nothing."""
    assert TRANSPORT.of(error) is signal


def test_a_class_nobody_knows_is_judged_by_the_one_it_comes_from() -> None:
    """A vendor's own kind of refused connection is a refused connection."""

    class TheirRefusal(ConnectionRefusedError):
        pass

    assert TRANSPORT.of(TheirRefusal()) is Signal.NOT_SENT


def test_an_adapter_adds_the_classes_of_its_library() -> None:
    """They win over what they come from."""

    class TheirTimeout(ConnectionRefusedError):
        pass

    table = TRANSPORT.and_of({TheirTimeout: Signal.LOST})

    assert table.of(TheirTimeout()) is Signal.LOST
    assert table.of(ConnectionRefusedError()) is Signal.NOT_SENT


def test_every_status_has_one_meaning() -> None:
    """Written out by hand, from 100 to 599."""
    told = {status: classify.of_status(status) for status in range(100, 600)}

    assert {s for s, signal in told.items() if signal is None} == set(range(200, 300))
    assert {s for s, signal in told.items() if signal is Signal.WAIT} == {409, 429}
    assert {s for s, signal in told.items() if signal is Signal.FAULT} == (
        set(range(400, 500)) - {408, 409, 429}
    )
    assert {s for s, signal in told.items() if signal is Signal.LOST} == (
        set(range(100, 200)) | set(range(300, 400)) | {408} | set(range(500, 600))
    )


def test_every_signal_means_something_for_each_operation() -> None:
    """A sale has four outcomes; a look-up or reversal that failed proves nothing at all."""
    assert set(SALE) == set(Signal)
    for signal in Signal:
        assert classify.sale(signal, "x").seen is SALE[signal]
        assert classify.look_up(signal, "x").seen is Seen.UNKNOWN
        assert classify.reversal(signal, "x").done is False


def test_a_fault_of_ours_has_words_for_the_donor() -> None:
    """It is final, like a decline, and marked so that somebody is told."""
    seen = classify.sale(Signal.FAULT, "http_401")

    assert (seen.seen, seen.our_fault) == (Seen.DECLINED, True)
    assert seen.decline_code in DONOR_WORDS
