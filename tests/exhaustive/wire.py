"""Wires to PostgreSQL that number every statement, and strike at one of them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Literal
from urllib.parse import parse_qs, urlsplit

Strike = Literal["die before", "die after", "lose the answer"]
"""Die before the server has the statement; die when it has done it and nobody knows; or live on
without ever hearing its answer, on a broken connection."""

STRIKES: tuple[Strike, ...] = ("die before", "die after", "lose the answer")

_OPENING = "SELECT set_config"
"""What a new connection says first. Pools open connections in their own time, so it is no moment of
an act, and to count it would make each run count differently."""

_GONE_S = 5.0
_WORDS = re.compile(rb"[A-Za-z_]+")


class Moments:
    """Counts the statements of all wires, and says when to strike."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.struck: str | None = None
        self._at = -1
        self._strike: Strike = "die before"
        self.kill: Callable[[], None] = lambda: None

    def arm(self, at: int, strike: Strike, kill: Callable[[], None]) -> None:
        """Begin to count anew; strike at the statement with this number, counted from 0."""
        self.seen, self.struck = [], None
        self._at, self._strike, self.kill = at, strike, kill

    def pass_by(self, label: str) -> Strike | None:
        """One more statement; gives what is to be done to it."""
        self.seen.append(label)
        if len(self.seen) - 1 != self._at:
            return None
        self.struck = label
        return self._strike


class CountingWire:
    """Forwards to the server of `database_url`, message by message."""

    def __init__(self, name: str, database_url: str, moments: Moments) -> None:
        self._name = name
        self._moments = moments
        self._parts = urlsplit(database_url)
        query = parse_qs(self._parts.query)
        self._socket = f"{query['host'][0]}/.s.PGSQL.{query.get('port', ['5432'])[0]}"
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._whole = True

    @property
    def url(self) -> str:
        """The database through this wire."""
        if self._server is None:
            raise RuntimeError("open the wire first")
        port = self._server.sockets[0].getsockname()[1]
        user = self._parts.netloc.rpartition("@")[0]
        return f"postgresql://{user}@127.0.0.1:{port}{self._parts.path}?sslmode=disable"

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def close(self) -> None:
        """Break everything."""
        if self._server:
            self._server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self._whole = False
        for task in list(self._tasks):
            task.cancel()

    def mend(self) -> None:
        """Let connections through again."""
        self._whole = True

    async def until_quiet(self) -> None:
        """Wait until the server has let go of everything that a process left behind."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        to_reader, to_writer = await asyncio.open_unix_connection(self._socket)
        line = _Line(self._name, self._moments, writer, to_writer)
        pumps = [
            asyncio.create_task(line.ask(reader)),
            asyncio.create_task(line.answer(to_reader)),
        ]
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the wire is closed
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            writer.transport.abort()
            await _until_gone(to_reader, to_writer)


class _Line:
    """One connection."""

    def __init__(
        self,
        name: str,
        moments: Moments,
        to_client: asyncio.StreamWriter,
        to_server: asyncio.StreamWriter,
    ) -> None:
        self._name = name
        self._moments = moments
        self._to_client = to_client
        self._to_server = to_server
        self._sql = ""
        self._strike: Strike | None = None
        self._answered = asyncio.Event()

    async def ask(self, reader: asyncio.StreamReader) -> None:
        """Client to server: the startup message first, then one message after the other."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            length = await reader.readexactly(4)
            start = await reader.readexactly(int.from_bytes(length) - 4)
            self._to_server.write(length + start)
            held = b""
            while True:
                kind, message = await _message(reader)
                held += message
                if kind in (b"P", b"Q"):
                    self._sql = _label(message)
                if kind not in (b"Q", b"S", b"H", b"X"):
                    continue
                counted = kind in (b"Q", b"S") and not self._sql.startswith(_OPENING)
                if counted and not await self._pass(held):
                    return
                self._to_server.write(held)
                held = b""

    async def _pass(self, held: bytes) -> bool:
        """Whether the connection goes on after the statement in `held`."""
        strike = self._moments.pass_by(f"{self._name}: {self._sql}")
        if strike is None:
            return True
        if strike == "die before":
            self._moments.kill()
            return False
        self._strike = strike
        self._to_server.write(held)
        await self._answered.wait()
        return False

    async def answer(self, reader: asyncio.StreamReader) -> None:
        """Server to client."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, message = await _message(reader)
                if self._strike is None:
                    self._to_client.write(message)
                elif kind == b"Z":
                    if self._strike == "die after":
                        self._moments.kill()
                    self._answered.set()
                    return


async def _until_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hang up, and wait until the server's process has ended: then its locks are free."""
    with contextlib.suppress(ConnectionError, TimeoutError, asyncio.CancelledError):
        writer.write_eof()
        async with asyncio.timeout(_GONE_S):
            while await reader.read(65536):
                pass
    writer.transport.abort()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(int.from_bytes(head[1:]) - 4)


def _label(message: bytes) -> str:
    """The first words of a simple query, or of a parse message behind its statement's name."""
    text = message[5:].partition(b"\0")[2] if message[:1] == b"P" else message[5:]
    return b" ".join(_WORDS.findall(text)[:4]).decode()
