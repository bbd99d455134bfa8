"""A gateway that answers what a test wrote down, for the rules of sending."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from uuid import uuid4

from almoner.money import Money
from almoner.payments.gateway import Charge, Instrument, Observation, Seen

Answer = Observation | BaseException | float | None
"""What is answered; an exception is raised; a number of seconds passes before the next answer."""

TAKEN = Observation(Seen.SUBMITTED, "t1")
REFUSED = Observation(Seen.DECLINED, "t1", "card_declined", "2000")
UNSENT = Observation(Seen.NOT_SENT, gateway_code="ClientConnectorError")
LOST = Observation(Seen.UNKNOWN, gateway_code="ServerDisconnectedError")
WAIT = Observation(Seen.WAIT, gateway_code="http_409")
DUPLICATE = Observation(Seen.DUPLICATE, gateway_code="duplicate")
FAULT = Observation(
    Seen.DECLINED, decline_code="payment_misconfigured", gateway_code="http_401", our_fault=True
)


class Scripted:
    """Answers from a list, the last one for ever. Remembers what it was asked."""

    name = "scripted"

    def __init__(self, *answers: Answer, found: Iterable[Answer] = (None,)) -> None:
        self._answers = list(answers)
        self._found = list(found)
        self.asked: list[tuple[str, str]] = []
        self.looked_up: list[str] = []
        self.under_way = 0
        self.most_at_once = 0
        self.free = asyncio.Event()
        self.free.set()

    async def charge(self, charge: Charge) -> Observation:
        """See `Gateway.charge`."""
        self.asked.append((charge.order_id, charge.request_key))
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await self.free.wait()
            answer = await _next(self._answers)
        finally:
            self.under_way -= 1
        assert answer is not None
        return answer

    async def look_up(self, order_id: str) -> Observation | None:
        """See `Gateway.look_up`."""
        self.looked_up.append(order_id)
        await self.free.wait()
        return await _next(self._found)


async def _next(answers: list[Answer]) -> Observation | None:
    while True:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            continue
        return answer


def charge() -> Charge:
    """A charge of fifty dollars."""
    return Charge(uuid4(), Money(5000, "USD"), Instrument("fake-valid-nonce"))


async def until(true: Callable[[], bool]) -> None:
    """Wait until something that nobody announces is so."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.001)
