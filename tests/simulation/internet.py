"""The network between donors and nodes: requests and answers that are late, or never come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from almoner.donations.answer import Answer
from almoner.donations.api import _shown
from almoner.donations.gift import Gift
from almoner.donations.keys import RequestKey
from almoner.donations.show import DonationView
from almoner.platform.errors import Problem
from simulation.places import REQUEST, Life

if TYPE_CHECKING:
    from uuid import UUID

    from simulation.node import WebNode
    from simulation.world import World

DONOR_WAITS_S = 30.0


class Away(Exception):
    """No answer came."""


class Reply(Struct, frozen=True):
    """What a donor's browser got. `view` is that of a donation that was looked at."""

    status: int
    request: int
    code: str = ""
    body: bytes = b""
    donation_id: str = ""
    replayed: bool = False
    view: DonationView | None = None
    excused: bool = False
    """Told from the journal alone, by a process that cannot ask the database."""


Handler = Callable[["WebNode"], Awaitable[Reply]]


class InternetIlls(Struct):
    """How likely a request or an answer is lost, and how slow the rest is."""

    lost_request: float = 0.0
    lost_answer: float = 0.0
    latency_s: float = 0.05


class Internet:
    """Carries requests to nodes."""

    def __init__(self, world: World, ills: InternetIlls) -> None:
        self.world = world
        self.ills = ills
        self.requests = 0
        self._random = world.random("internet")
        self._open: dict[WebNode, dict[asyncio.Future[Reply], None]] = {}

    async def ask(self, node: WebNode, handler: Handler) -> Reply:
        """What came back. Raises Away."""
        world, random = self.world, self._random
        self.requests += 1
        number = self.requests
        await world.sleep(random.random() * self.ills.latency_s)
        if not world.healed and random.random() < self.ills.lost_request:
            world.fault("request_lost", number)
            await world.sleep(random.random() * DONOR_WAITS_S)
            raise Away
        if not node.alive:
            raise Away
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        context = node.place.context()
        context.run(REQUEST.set, number)
        world.loop.create_task(
            self._serve(node, handler, number, answer, copy_context()), context=context
        )
        self._open.setdefault(node, {})[answer] = None
        try:
            async with asyncio.timeout(DONOR_WAITS_S):
                return await answer
        except TimeoutError:
            raise Away from None
        finally:
            self._open[node].pop(answer, None)

    def reset(self, node: WebNode) -> None:
        """A node was killed: whoever waits for its answer is told that the connection is gone."""
        for answer in self._open.get(node, {}):
            if not answer.done():
                answer.set_exception(Away())

    async def _serve(
        self,
        node: WebNode,
        handler: Handler,
        number: int,
        answer: asyncio.Future[Reply],
        donor: Context,
    ) -> None:
        place = node.place
        try:
            reply = await handler(node)
        except Problem as problem:
            reply = Reply(
                problem.http_status,
                number,
                problem.code,
                donation_id=str(problem.members.get("donation_id", "")),
            )
        except Exception as error:  # noqa: BLE001 - a donor would be told 500
            self.world.errors.append(f"request {number} at {place}: {error!r}")
            reply = Reply(500, number, type(error).__name__)
        self.world.note("reply", number, place, reply.status, reply.code)
        if not self.world.healed and self._random.random() < self.ills.lost_answer:
            self.world.fault("answer_lost", number)
            return
        delay_s = self._random.random() * self.ills.latency_s
        self.world.loop.call_later(delay_s, _deliver, answer, reply, context=donor)


def _deliver(answer: asyncio.Future[Reply], reply: Reply) -> None:
    if not answer.done():
        answer.set_result(reply)


def giving(gift: Gift, key: RequestKey, *, limited: bool) -> Handler:
    """`POST /donations`, as `almoner.donations.api` does it.

    `limited`: today's rules refuse it, so that only what was taken before is answered.
    """

    async def handle(node: WebNode) -> Reply:
        number = REQUEST.get()
        if limited:
            answer = await node.web.giving.recall(key, gift.fingerprint())
            if answer is None:
                return Reply(429, number, "too_many")
        else:
            answer = await node.web.giving.give(gift, key)
        kept = node.web.kept.keeping.find(answer.donation_id) is not None
        return structs.replace(_told(answer, number), excused=kept)

    return handle


def looking(donation_id: UUID) -> Handler:
    """`GET /donations/{donation_id}`."""

    async def handle(node: WebNode) -> Reply:
        view = await _shown(node.web.donations, donation_id)
        keeping = node.web.kept.keeping
        excused = keeping.away and keeping.find(donation_id) is not None
        return Reply(200, REQUEST.get(), donation_id=view.donation_id, view=view, excused=excused)

    return handle


def alive(node: WebNode) -> bool:
    """Whether a health check would find it."""
    return node.place.life is Life.RUNNING


def _told(answer: Answer, number: int) -> Reply:
    return Reply(
        answer.status,
        number,
        body=answer.body,
        donation_id=str(answer.donation_id),
        replayed=answer.replayed,
    )
