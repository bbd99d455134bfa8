"""What a process does in these tests before it is struck. Runs in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any, cast

import httpx

from almoner.app import create_web
from almoner.bootstrap import Web, Work
from almoner.platform.errors import Unavailable
from support.installation import settings_of

Told = tuple[int, bytes]
"""The status and the body of an answer."""


async def give(settings: dict[str, Any], request: dict[str, Any]) -> Told:
    """A web process that takes one gift."""
    web = Web(settings_of(settings))
    await web.open()
    transport = httpx.ASGITransport(app=cast("Any", create_web(web)), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://almoner.test") as client:
        answer = await client.post(
            "/donations", json=request["body"], headers={"Idempotency-Key": request["key"]}
        )
    await web.close()
    return answer.status_code, answer.content


async def work(settings: dict[str, Any], request: dict[str, Any]) -> Told:
    """A worker that does one step of one of its loops."""
    work = Work(settings_of(settings))
    await work.open()
    step = next(loop.step for loop in work.loops() if loop.name == request["loop"])
    try:
        done = await step()
    except Unavailable:
        done = 0  # the loop would pause now, and step again
    await work.close()
    return done, b""


ACTS: dict[str, Callable[[dict[str, Any], dict[str, Any]], Awaitable[Told]]] = {
    "give": give,
    "work": work,
}


def act(name: str, settings: dict[str, Any], request: dict[str, Any], told: Connection) -> None:
    """Do it, and tell what came of it; the teller may be killed at any time before."""
    told.send(asyncio.run(_act(name, settings, request)))


async def _act(name: str, settings: dict[str, Any], request: dict[str, Any]) -> Told:
    return await ACTS[name](settings, request)
