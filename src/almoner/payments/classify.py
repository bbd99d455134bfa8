"""Classify: what an outside failure proves. A closed table; what is not in it proves nothing.

Every exception class of the HTTP client and every status has one meaning here, and an adapter adds
the classes of its own library. A test walks through them all, so that a new version cannot add one
without a decision.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import aiohttp
from aiohttp import client_exceptions, http_exceptions
from msgspec import Struct

from almoner.payments.gateway import Observation, Reversal, Seen


class Signal(StrEnum):
    """What a failure proves."""

    NOT_SENT = "NOT_SENT"
    """No byte of the request left: it may be sent again."""
    LOST = "LOST"
    """It may have been carried out, or not."""
    WAIT = "WAIT"
    """The same request is in flight there, or we ask too fast."""
    FAULT = "FAULT"
    """Refused as a whole because it was malformed or not allowed: our bug or configuration."""


SALE: Final[dict[Signal, Seen]] = {
    Signal.NOT_SENT: Seen.NOT_SENT,
    Signal.LOST: Seen.UNKNOWN,
    Signal.WAIT: Seen.WAIT,
    Signal.FAULT: Seen.DECLINED,
}
"""What each means for a sale. A fault is final, as a decline is: nothing was charged, and sending
it again would be refused again."""

_HTTP_CLIENT: Final[dict[type[BaseException], Signal]] = {
    # Before the first byte: names, connections, handshakes.
    aiohttp.ClientConnectorError: Signal.NOT_SENT,
    aiohttp.ClientConnectorDNSError: Signal.NOT_SENT,
    aiohttp.ClientConnectorSSLError: Signal.NOT_SENT,
    aiohttp.ClientConnectorCertificateError: Signal.NOT_SENT,
    aiohttp.ClientSSLError: Signal.NOT_SENT,
    aiohttp.ClientProxyConnectionError: Signal.NOT_SENT,
    aiohttp.ClientHttpProxyError: Signal.NOT_SENT,
    aiohttp.ConnectionTimeoutError: Signal.NOT_SENT,
    aiohttp.ServerFingerprintMismatch: Signal.NOT_SENT,
    client_exceptions.UnixClientConnectorError: Signal.NOT_SENT,
    # An address of ours that is none.
    aiohttp.InvalidURL: Signal.FAULT,
    aiohttp.InvalidUrlClientError: Signal.FAULT,
    aiohttp.NonHttpUrlClientError: Signal.FAULT,
    # Under way.
    aiohttp.ClientError: Signal.LOST,
    aiohttp.ClientConnectionError: Signal.LOST,
    aiohttp.ClientConnectionResetError: Signal.LOST,
    aiohttp.ClientOSError: Signal.LOST,
    aiohttp.ClientPayloadError: Signal.LOST,
    aiohttp.ClientResponseError: Signal.LOST,
    aiohttp.ContentTypeError: Signal.LOST,
    aiohttp.ServerConnectionError: Signal.LOST,
    aiohttp.ServerDisconnectedError: Signal.LOST,
    aiohttp.ServerTimeoutError: Signal.LOST,
    aiohttp.SocketTimeoutError: Signal.LOST,
    client_exceptions.UploadAbortedError: Signal.LOST,
    # Answered, and led away: whoever answered may have acted first.
    aiohttp.TooManyRedirects: Signal.LOST,
    aiohttp.RedirectClientError: Signal.LOST,
    aiohttp.InvalidUrlRedirectClientError: Signal.LOST,
    aiohttp.NonHttpUrlRedirectClientError: Signal.LOST,
    # Answered, and not readable.
    http_exceptions.HttpProcessingError: Signal.LOST,
    http_exceptions.BadHttpMessage: Signal.LOST,
    http_exceptions.HttpBadRequest: Signal.LOST,
    http_exceptions.PayloadEncodingError: Signal.LOST,
    http_exceptions.ContentEncodingError: Signal.LOST,
    http_exceptions.TransferEncodingError: Signal.LOST,
    http_exceptions.ContentLengthError: Signal.LOST,
    http_exceptions.DecompressSizeError: Signal.LOST,
    http_exceptions.LineTooLong: Signal.LOST,
    http_exceptions.InvalidHeader: Signal.LOST,
    http_exceptions.BadStatusLine: Signal.LOST,
    http_exceptions.BadHttpMethod: Signal.LOST,
    http_exceptions.InvalidURLError: Signal.LOST,
    # WebSockets are never used.
    aiohttp.WSServerHandshakeError: Signal.LOST,
    client_exceptions.WSMessageTypeError: Signal.LOST,
}

_STANDARD: Final[dict[type[BaseException], Signal]] = {
    socket.gaierror: Signal.NOT_SENT,
    socket.herror: Signal.NOT_SENT,
    ConnectionRefusedError: Signal.NOT_SENT,
    ssl.SSLCertVerificationError: Signal.NOT_SENT,
    ssl.SSLError: Signal.LOST,
    TimeoutError: Signal.LOST,
    ConnectionError: Signal.LOST,
    ConnectionResetError: Signal.LOST,
    ConnectionAbortedError: Signal.LOST,
    BrokenPipeError: Signal.LOST,
    OSError: Signal.LOST,
    EOFError: Signal.LOST,
    asyncio.IncompleteReadError: Signal.LOST,
    asyncio.LimitOverrunError: Signal.LOST,
    http.client.HTTPException: Signal.LOST,
    UnicodeError: Signal.LOST,
    ValueError: Signal.LOST,
}


class Failures(Struct, frozen=True):
    """Exception classes and what each proves."""

    table: Mapping[type[BaseException], Signal]

    def of(self, error: BaseException) -> Signal:
        """By the nearest class that is in the table; LOST when none is."""
        for kind in type(error).__mro__:
            if (signal := self.table.get(kind)) is not None:
                return signal
        return Signal.LOST

    def and_of(self, more: Mapping[type[BaseException], Signal]) -> Failures:
        """With the classes of a vendor's library."""
        return Failures({**self.table, **more})


TRANSPORT: Final = Failures({**_STANDARD, **_HTTP_CLIENT})
"""What every adapter begins with."""

_STATUSES: Final[dict[int, Signal]] = {
    408: Signal.LOST,
    409: Signal.WAIT,
    429: Signal.WAIT,
}


def of_status(status: int) -> Signal | None:
    """What an HTTP status proves; None for a success, whose body tells.

    A time-out (408) and everything from 500 on may have come after the deed, and redirects are
    not followed. What else begins with 4 was refused as a whole.
    """
    if 200 <= status <= 299:
        return None
    if signal := _STATUSES.get(status):
        return signal
    return Signal.FAULT if 400 <= status <= 499 else Signal.LOST


def sale(signal: Signal, code: str) -> Observation:
    """A failed sale as an observation. `code` is the gateway's word, or the error's name."""
    fault = signal is Signal.FAULT
    return Observation(
        SALE[signal],
        decline_code="payment_misconfigured" if fault else None,
        gateway_code=code,
        our_fault=fault,
    )


def look_up(signal: Signal, code: str) -> Observation:
    """A failed look-up: the gateway could not be asked, whatever the reason."""
    return Observation(Seen.UNKNOWN, gateway_code=code, our_fault=signal is Signal.FAULT)


def reversal(_: Signal, code: str) -> Reversal:
    """A failed reversal: not known to be done, so it is asked again."""
    return Reversal(done=False, gateway_code=code)
