"""The short way for `GET /charities`: bytes that are ready, sent without asking anybody.

It stands in front of the framework. What is not ready, and everything else, goes on as usual, so
this file decides nothing about what an answer says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from almoner.charities.answers import Answer, CatalogueReader
from almoner.platform.metrics import REQUESTS

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

PATH: Final = "/charities"
_NOSNIFF: Final = (b"x-content-type-options", b"nosniff")
_OK: Final = REQUESTS.labels("GET", PATH, 200)
_NOT_MODIFIED: Final = REQUESTS.labels("GET", PATH, 304)


class HotList:
    """An ASGI application around another (ASGI 3)."""

    def __init__(self, application: Application, reader: CatalogueReader) -> None:
        self._application = application
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from memory, or pass on."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "GET":
            answer = self._reader.ready_page(scope["query_string"])
            if answer is not None:
                await _send(answer, scope, send)
                return
        await self._application(scope, receive, send)


async def _send(answer: Answer, scope: Scope, send: Send) -> None:
    for name, value in scope["headers"]:
        if name == b"if-none-match" and answer.matches(value):
            headers = [*answer.not_modified_headers, _NOSNIFF]
            _NOT_MODIFIED.inc()
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
    _OK.inc()
    headers = [*answer.headers, _NOSNIFF]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
