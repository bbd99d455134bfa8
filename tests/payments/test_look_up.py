"""Look-ups on a budget of their own."""

from __future__ import annotations

import asyncio
import time

import pytest

from almoner.payments.breaker import BreakerRules
from almoner.payments.gateway import Observation, Seen
from almoner.payments.guard import GuardRules
from almoner.payments.look_up import CONCLUSIVE, LookingUp, LookUpRules
from support.scripted import LOST, TAKEN, WAIT, Scripted, until

RULES = LookUpRules(deadline_ms=500, guard=GuardRules(in_flight_max=2, wait_ms=500))


def looking_up(gateway: Scripted, rules: LookUpRules = RULES) -> LookingUp:
    """Look-ups at this gateway."""
    return LookingUp({gateway.name: gateway}, rules)


async def test_a_hit_and_a_miss_are_passed_on() -> None:
    """A miss is None, and never an observation of UNKNOWN."""
    gateway = Scripted(TAKEN, found=[TAKEN, None])
    asking = looking_up(gateway)

    assert await asking.look_up("scripted", "order") == TAKEN
    assert await asking.look_up("scripted", "order") is None


@pytest.mark.parametrize("seen", list(Seen))
async def test_what_proves_nothing_is_unknown(seen: Seen) -> None:
    """Every word a gateway may answer is decided: evidence, or UNKNOWN."""
    asking = looking_up(Scripted(TAKEN, found=[Observation(seen, "t1")]))

    found = await asking.look_up("scripted", "order")

    assert found is not None
    assert found.seen is (seen if seen in CONCLUSIVE else Seen.UNKNOWN)
    proves_nothing = {Seen.NOT_SENT, Seen.UNKNOWN, Seen.WAIT, Seen.DUPLICATE}
    assert set(Seen) - CONCLUSIVE == proves_nothing


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (RuntimeError("a fault of ours"), "RuntimeError"),
        (30.0, "deadline"),
        (WAIT, "http_409"),
    ],
    ids=["raises", "hangs", "in flight"],
)
async def test_a_gateway_that_cannot_be_asked_is_no_miss(
    answer: Observation | BaseException | float, code: str
) -> None:
    """UNKNOWN with the reason; two of these never mean "not charged"."""
    asking = looking_up(Scripted(TAKEN, found=[answer, None]), LookUpRules(deadline_ms=50))

    found = await asking.look_up("scripted", "order")

    assert found == Observation(Seen.UNKNOWN, gateway_code=code)


async def test_a_look_up_of_ours_that_is_refused_pages(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A wrong key: no doubt would ever end, so somebody must know. It is no miss."""
    refused = Observation(Seen.UNKNOWN, gateway_code="http_401", our_fault=True)

    found = await looking_up(Scripted(TAKEN, found=[refused])).look_up("scripted", "order")

    assert found == Observation(Seen.UNKNOWN, gateway_code="http_401")
    assert "gateway_refused_our_request" in "".join(capfd.readouterr())


async def test_a_gateway_nobody_configured_cannot_be_asked() -> None:
    """An attempt of a gateway that was taken out of the settings."""
    found = await looking_up(Scripted(TAKEN)).look_up("another", "order")

    assert found == Observation(Seen.UNKNOWN, gateway_code="gateway_not_configured")


async def test_so_many_at_once_and_no_more() -> None:
    """Two hang; the third waits, then says that it could not ask."""
    gateway = Scripted(TAKEN, found=[TAKEN])
    gateway.free.clear()
    asking = looking_up(gateway, LookUpRules(guard=GuardRules(in_flight_max=2, wait_ms=10)))
    calls = [asyncio.create_task(asking.look_up("scripted", "order")) for _ in range(3)]
    await until(lambda: any(call.done() for call in calls))

    gateway.free.set()
    found = await asyncio.gather(*calls)

    assert len(gateway.looked_up) == 2
    assert [f.gateway_code for f in found if f and f.seen is Seen.UNKNOWN] == ["gateway_busy"]


async def test_an_ill_gateway_is_left_alone() -> None:
    """The breaker of look-ups: what is turned away is no miss either."""
    gateway = Scripted(TAKEN, found=[LOST])
    rules = GuardRules(breaker=BreakerRules(calls_min=4, open_s=60))
    asking = looking_up(gateway, LookUpRules(guard=rules))

    found = [await asking.look_up("scripted", "order") for _ in range(6)]

    assert len(gateway.looked_up) == 4
    assert found[-1] == Observation(Seen.UNKNOWN, gateway_code="breaker_open")


async def test_a_backlog_is_worked_off_at_a_bounded_pace() -> None:
    """Sixty look-ups at forty a second: forty at once, the rest in half a second."""
    asking = looking_up(Scripted(TAKEN, found=[TAKEN]), LookUpRules(per_second=40))
    started = time.monotonic()

    await asyncio.gather(*(asking.look_up("scripted", str(n)) for n in range(60)))

    assert 0.4 < time.monotonic() - started < 2.0
