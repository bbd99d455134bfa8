"""Metrics of a process that has no HTTP of its own, on a port of this machine alone."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from almoner.platform.metrics import exposition

log = structlog.get_logger(__name__)

_LOOPBACK: Final = "127.0.0.1"
_REQUEST_BYTES_MAX: Final = 8_192
_PATIENCE_S: Final = 5


class MetricsPort:
    """Answers `GET /metrics` to this machine. Port 0 takes a free one; `port` says which."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(
            self._answer, _LOOPBACK, self.port, limit=_REQUEST_BYTES_MAX
        )
        self.port = self._server.sockets[0].getsockname()[1]
        log.info("metrics_port", port=self.port)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            return
        finally:
            writer.close()


def _response(head: bytes) -> bytes:
    """The whole answer to a request's head."""
    words = head.split(b" ", 2)
    if len(words) < 2 or words[0] != b"GET" or words[1].partition(b"?")[0] != b"/metrics":
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    body, content_type = exposition()
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    ).encode() + body
