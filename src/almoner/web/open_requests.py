"""Bound the number of open requests: what comes on top is answered at once, and costs nothing.

It stands in front of everything that waits. Gifts and webhooks are counted apart, so that nothing
else can take their place; probes are never refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from almoner.platform.admission import NEVER_REFUSED, Lane
from almoner.platform.errors import Overloaded

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


class OpenRequests:
    """An ASGI application around another (ASGI 3).

    The lane of gifts must leave room for those that wait and for bodies under way: it is the last
    bound of all, where not even a key that was used before can be recognised.
    """

    def __init__(
        self, application: Application, *, requests: Lane, gifts: Lane, webhooks: Lane
    ) -> None:
        self._application = application
        self._requests = requests
        self._gifts = gifts
        self._webhooks = webhooks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] != "http" or scope["path"] in NEVER_REFUSED:
            await self._application(scope, receive, send)
            return
        lane = self._lane_of(scope)
        try:
            await lane.enter()
        except Overloaded as refusal:
            await _refuse(refusal, send)
            return
        try:
            await self._application(scope, receive, send)
        finally:
            lane.leave()

    def _lane_of(self, scope: Scope) -> Lane:
        if scope["path"] == "/donations" and scope["method"] == "POST":
            return self._gifts
        return self._webhooks if scope["path"].startswith("/webhooks/") else self._requests


async def _refuse(refusal: Overloaded, send: Send) -> None:
    body = msgspec.json.encode(refusal.body())
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *((name.lower().encode(), value.encode()) for name, value in refusal.headers.items()),
    ]
    await send({"type": "http.response.start", "status": refusal.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
