"""A wire between Almoner and PostgreSQL that can be cut, also just after a commit."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit


class Wire:
    """Forwards to the server of `database_url`; `url` is the same database through the wire."""

    def __init__(self, database_url: str) -> None:
        self._parts = urlsplit(database_url)
        query = parse_qs(self._parts.query)
        self._socket = f"{query['host'][0]}/.s.PGSQL.{query.get('port', ['5432'])[0]}"
        self._writers: set[asyncio.StreamWriter] = set()
        self._whole = True
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._commits_to_lose = 0
        self.commits_lost = 0
        self.connections_made = 0
        self.commit_lost = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The database through this wire."""
        if self._server is None:
            raise RuntimeError("enter the wire first")
        port = self._server.sockets[0].getsockname()[1]
        user = self._parts.netloc.rpartition("@")[0]
        return f"postgresql://{user}@127.0.0.1:{port}{self._parts.path}?sslmode=disable"

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self._whole = False
        self._break_all()

    def mend(self) -> None:
        """Let connections through again."""
        self._whole = True

    def freeze(self) -> None:
        """Hold back whatever is said from now on, in both directions, as a server that stands
        still: connections are accepted and stay open."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let it all through, late."""
        self._flowing.set()

    def lose_commits(self, count: int) -> None:
        """Break the connection of the next commits after the server has done them."""
        self._commits_to_lose = count

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._break_all()
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    def _break_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        self.connections_made += 1
        to_reader, to_writer = await asyncio.open_unix_connection(self._socket)
        self._writers |= {writer, to_writer}
        losing = asyncio.Event()

        async def ask() -> None:
            while data := await reader.read(65536):
                await self._flowing.wait()
                if self._commits_to_lose and b"COMMIT" in data:
                    self._commits_to_lose -= 1
                    losing.set()
                to_writer.write(data)
                await to_writer.drain()

        async def answer() -> None:
            while data := await to_reader.read(65536):
                await self._flowing.wait()
                if losing.is_set() and b"COMMIT" in data:
                    self.commits_lost += 1
                    self.commit_lost.set()
                    return
                writer.write(data)
                await writer.drain()

        tasks = {asyncio.create_task(ask()), asyncio.create_task(answer())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(ConnectionError):
                await asyncio.gather(*tasks, return_exceptions=True)
            self._writers -= {writer, to_writer}
            writer.transport.abort()
            to_writer.transport.abort()
