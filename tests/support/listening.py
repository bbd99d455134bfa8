"""An application on a socket, in the test's own process: what streams needs a real connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn

from almoner.app import create_web
from support.installation import Installation


@asynccontextmanager
async def listening(almoner: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client that talks to an installation over a socket."""
    config = uvicorn.Config(
        create_web(almoner.web), port=0, lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False
        ) as client:
            yield client
    finally:
        server.should_exit = True
        await running


class Follower:
    """Somebody who follows a donation; hears event after event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def hears(self) -> dict[str, str]:
        """The next block: its fields by name, `comment` for a comment; {} at the end."""
        block: dict[str, str] = {}
        async for line in self._lines:
            if not line:
                return block
            name, _, value = line.partition(":")
            block[name or "comment"] = value.strip()
        return block

    async def sees(self) -> dict[str, Any] | None:
        """The donation of the next event; None when the stream has ended."""
        while block := await self.hears():
            if "data" in block:
                seen: dict[str, Any] = json.loads(block["data"])
                assert block["id"] == str(seen["version"])
                assert block["event"] == "donation"
                return seen
        return None


@asynccontextmanager
async def following(
    client: httpx.AsyncClient, told: dict[str, Any], **headers: str
) -> AsyncIterator[Follower]:
    """Follow the donation of an answer."""
    async with client.stream(
        "GET",
        f"/donations/{told['donation_id']}/events",
        headers={"Authorization": f"Bearer {told['read_token']}", **headers},
    ) as response:
        yield Follower(response)
