"""An answer that goes on: server-sent events, for as long as the client listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final

from litestar import Response
from litestar.types import ASGIApp, Receive, Scope, Send

SEND_S_MAX: Final = 15.0
"""A client that takes nothing for so long is gone, or wants to keep us busy."""

_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    # nginx would keep the events until a buffer is full.
    (b"x-accel-buffering", b"no"),
]

Source = Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]


class EventStream(Response[bytes]):
    """Sends what `source` gives, piece by piece.

    The source is opened when the answer begins and closed whatever happens. What it raises before
    its first piece is an error like that of any other call.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(b"", media_type="text/event-stream")
        self._source = source

    def to_asgi_response(  # type: ignore[override] # any ASGI application answers as well
        self, *_: Any, **__: Any
    ) -> ASGIApp:
        """See litestar: what is called to answer."""
        return self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._source() as pieces:
            first = await anext(pieces)
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            if not scope.get("head"):
                await _send_while_heard(first, pieces, receive, send)
            with suppress(TimeoutError):
                await _send(b"", send, more=False)


async def _send_while_heard(
    first: bytes, pieces: AsyncIterator[bytes], receive: Receive, send: Send
) -> None:
    gone = asyncio.create_task(_until_gone(receive))
    try:
        piece: bytes | None = first
        while piece is not None and not gone.done():
            await _send(piece, send, more=True)
            piece = await _next(pieces, gone)
    except TimeoutError:
        return
    finally:
        gone.cancel()


async def _next(pieces: AsyncIterator[bytes], gone: asyncio.Task[None]) -> bytes | None:
    """The next piece; None when there is none, or nobody to hear it."""
    coming = asyncio.create_task(_piece(pieces))
    await asyncio.wait({coming, gone}, return_when=asyncio.FIRST_COMPLETED)
    if not coming.done():
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        return None
    return coming.result()


async def _piece(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)


async def _send(piece: bytes, send: Send, *, more: bool) -> None:
    async with asyncio.timeout(SEND_S_MAX):
        await send({"type": "http.response.body", "body": piece, "more_body": more})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
