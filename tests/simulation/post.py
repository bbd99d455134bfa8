"""The gateway's webhooks on their way: late, twice, out of order, forged, or lost.

A gateway sends each of them again until somebody answers 2xx.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from almoner.payments.gateway import Notice, Seen
from almoner.platform.errors import Problem
from simulation.gateway import signature
from simulation.places import Place

if TYPE_CHECKING:
    from simulation.bank import Bank, Sale
    from simulation.node import WebNode
    from simulation.world import World

_TRIES_MAX: Final = 40


class Post:
    """Carries webhooks to web processes."""

    def __init__(self, world: World, bank: Bank, nodes: list[WebNode]) -> None:
        self.world = world
        self.bank = bank
        self.nodes = nodes
        self.on_the_way = 0
        self.genuine: set[str] = set()
        self._random = world.random("post")
        self._place = Place("post")
        self._count = 0
        bank.notify = self.send

    def send(self, sale: Sale, surely: bool) -> None:
        """Tell of a sale as it is now. `surely`: nothing else would ever tell of it."""
        random, ills = self._random, self.bank.ills
        self._count += 1
        body = msgspec.json.encode(
            Notice(f"event-{self._count}", str(sale.seen).lower(), (sale.order_id,), sale.seen)
        )
        self.genuine.add(f"event-{self._count}")
        if random.random() < ills.webhook_forged:
            self._carry(self._forged(sale), "forged", 0.1, kind="webhook_forged")
        if not surely and random.random() < ills.webhook_lost:
            self.world.fault("webhook_lost", sale.order_id)
            return
        late = random.random() < ills.webhook_late
        wait_s = random.random() ** 2 * 3_000 if late else random.random() * 2
        self._carry(body, signature(body), wait_s, kind="webhook_late" if late else None)
        if random.random() < ills.webhook_twice:
            again_s = wait_s + random.random() * 100
            self._carry(body, signature(body), again_s, kind="webhook_twice")

    def _forged(self, sale: Sale) -> bytes:
        """Somebody claims the opposite of what is."""
        claim = Seen.SUBMITTED if sale.seen is Seen.DECLINED else Seen.VOIDED
        return msgspec.json.encode(Notice("forged", "forged", (sale.order_id,), claim))

    def _carry(self, body: bytes, sign: str, in_s: float, *, kind: str | None) -> None:
        if kind is not None:
            self.world.fault(kind)
        self.on_the_way += 1
        self.world.loop.start(self._place, self._deliver(body, sign, in_s))

    async def _deliver(self, body: bytes, sign: str, in_s: float) -> None:
        world, random = self.world, self._random
        await world.sleep(in_s)
        wait_s = 5.0
        for _ in range(_TRIES_MAX):
            node = random.choice(self.nodes)
            if await self._taken(node, body, sign):
                break
            await world.sleep(wait_s * (0.5 + random.random()))
            wait_s = min(wait_s * 2, 600)
        self.on_the_way -= 1

    async def _taken(self, node: WebNode, body: bytes, sign: str) -> bool:
        """Whether this node answered anything but 5xx."""
        if not node.alive:
            return False
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        node.within(self._receive(node, body, sign, answer))
        try:
            async with asyncio.timeout(20):
                return await answer < 500
        except TimeoutError:
            return False

    async def _receive(
        self, node: WebNode, body: bytes, sign: str, answer: asyncio.Future[int]
    ) -> None:
        status = 204
        try:
            await node.web._webhooks.receive("sandbox", body, {"signature": sign})
        except Problem as problem:
            status = problem.http_status
        except Exception as error:  # noqa: BLE001 - the gateway would be told 500
            self.world.errors.append(f"webhook at {node.place}: {error!r}")
            status = 500
        self.world.note("webhook", node.place, status)
        if not answer.done():
            answer.set_result(status)
