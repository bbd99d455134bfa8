"""What a process does in these tests while it is struck. Runs in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any, cast

import httpx

from almoner.app import create_web
from almoner.bootstrap import Web, Work
from almoner.charities.choose import CharityChooser
from almoner.platform.errors import Unavailable
from exhaustive.disk import strike_disk
from support.donor import CHARITY_ID
from support.installation import settings_of

Told = tuple[int, bytes]
"""The status and the body of an answer; of a loop's step 1 if it came to its end, else 0."""

Ready = Callable[[], None]
"""Says that the process is up, and returns when the act is to begin."""

Act = Callable[[dict[str, Any], dict[str, Any], Ready], Awaitable[Told]]


async def give(settings: dict[str, Any], request: dict[str, Any], ready: Ready) -> Told:
    """A web process that takes one gift. It knows the charity if `charity_known`."""
    headers = {"Idempotency-Key": request["key"]}
    web = Web(settings_of(settings))
    await web.open()
    if request.get("charity_known"):
        await _know_charity(web.chooser)
    ready()
    answer = await _post(web, "/donations", json=request["body"], headers=headers)
    await web.close()
    return answer.status_code, answer.content


async def take_webhook(settings: dict[str, Any], request: dict[str, Any], ready: Ready) -> Told:
    """A web process that takes one webhook."""
    web = Web(settings_of(settings))
    await web.open()
    ready()
    answer = await _post(
        web, "/webhooks/sandbox", content=request["body"], headers=request["headers"]
    )
    await web.close()
    return answer.status_code, answer.content


async def drain(settings: dict[str, Any], _: dict[str, Any], ready: Ready) -> Told:
    """A web process that drains what another one left in the journal, and charges it."""
    web = Web(settings_of(settings))
    ready()
    await web.open()
    assert web.draining is not None
    journal_drain = web.draining.drain
    for _pause in range(500):
        if journal_drain.finished and not web.giving.under_way:
            break
        await asyncio.sleep(0.02)
    finished = journal_drain.finished
    await web.close()
    return int(finished), b""


async def work(settings: dict[str, Any], request: dict[str, Any], ready: Ready) -> Told:
    """A worker that does one step of one of its loops."""
    work = Work(settings_of(settings))
    await work.open()
    step = next(loop.step for loop in work.loops() if loop.name == request["loop"])
    ready()
    ended = 1
    try:
        await step()
    except Unavailable:
        ended = 0  # the loop would pause now, and step again
    await work.close()
    return ended, b""


async def rebuild(settings: dict[str, Any], _: dict[str, Any], ready: Ready) -> Told:
    """The command that brings back what the gateway knows and the database has lost."""
    work = Work(settings_of(settings))
    await work.open()
    ready()
    try:
        done = (await work.rebuilding().run()).seen
    except Unavailable:
        done = 0
    await work.close()
    return done, b""


async def _post(web: Web, path: str, **request: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=cast("Any", create_web(web)), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://almoner.test") as client:
        return await client.post(path, **request)


async def _know_charity(chooser: CharityChooser) -> None:
    """As any process that has taken a gift before."""
    await chooser.choose(CHARITY_ID)


ACTS: dict[str, Act] = {
    "give": give,
    "take webhook": take_webhook,
    "drain": drain,
    "work": work,
    "rebuild": rebuild,
}


def act(name: str, settings: dict[str, Any], request: dict[str, Any], talk: Connection) -> None:
    """Do it, and tell what came of it; the teller may be killed at any time before."""
    if disk := request.pop("disk", None):
        at, strike = disk
        strike_disk(at, strike, lambda label: talk.send(("struck", label)))

    def ready() -> None:
        talk.send(("ready", None))
        talk.recv()

    talk.send(("told", asyncio.run(_act(name, settings, request, ready))))


async def _act(name: str, settings: dict[str, Any], request: dict[str, Any], ready: Ready) -> Told:
    return await ACTS[name](settings, request, ready)
