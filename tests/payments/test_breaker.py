"""The breaker, on a clock that only moves when it is told to."""

from __future__ import annotations

import pytest

from almoner.payments.breaker import Breaker, BreakerRules, BreakerState
from almoner.platform.clock import sources

RULES = BreakerRules(calls_min=10, ill_percent=50, window_s=30, open_s=5, probes_good=3)


class Clock:
    """Seconds that pass when somebody says so."""

    now_s = 1_000.0

    def passes(self, seconds: float) -> None:
        """Let time go by."""
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The program's monotonic clock."""
    clock = Clock()
    monkeypatch.setattr(sources, "monotonic", lambda: clock.now_s)
    return clock


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """A closed one."""
    return Breaker("somebody", "charge", RULES)


def calls(breaker: Breaker, count: int, *, ill: bool) -> None:
    """So many calls that are let through and end like this."""
    for _ in range(count):
        ticket = breaker.admit()
        assert ticket is not None
        breaker.done(ticket, ill=ill)


def opened(breaker: Breaker, clock: Clock) -> None:
    """Break it, and wait until it lets probes through."""
    calls(breaker, RULES.calls_min, ill=True)
    clock.passes(RULES.open_s * 1.25)


def test_it_opens_when_half_of_enough_calls_were_ill(breaker: Breaker) -> None:
    """Five good, then ill ones: the tenth call makes it half, and the eleventh is refused."""
    calls(breaker, 5, ill=False)
    calls(breaker, 4, ill=True)
    before = breaker.state
    calls(breaker, 1, ill=True)

    assert before is BreakerState.CLOSED
    assert breaker.state is BreakerState.OPEN
    assert breaker.admit() is None


def test_few_calls_prove_nothing(breaker: Breaker) -> None:
    """Nine out of nine ill: too few to judge by."""
    calls(breaker, 9, ill=True)

    assert breaker.state is BreakerState.CLOSED


def test_a_third_of_them_ill_is_no_outage(breaker: Breaker) -> None:
    """Below the share it stays closed, however many there were."""
    for _ in range(40):
        calls(breaker, 2, ill=False)
        calls(breaker, 1, ill=True)

    assert breaker.state is BreakerState.CLOSED


def test_what_is_longer_ago_than_the_window_does_not_count(breaker: Breaker, clock: Clock) -> None:
    """Nine ill ones, half a minute of silence, nine more."""
    calls(breaker, 9, ill=True)
    clock.passes(31)
    calls(breaker, 9, ill=True)

    assert breaker.state is BreakerState.CLOSED


def test_the_window_slides(breaker: Breaker, clock: Clock) -> None:
    """One ill call every two seconds: the tenth finds the nine before it within the window."""
    for _ in range(9):
        calls(breaker, 1, ill=True)
        clock.passes(2)
    calls(breaker, 1, ill=True)

    assert breaker.state is BreakerState.OPEN


def test_after_a_while_it_lets_two_through_to_see(breaker: Breaker, clock: Clock) -> None:
    """And no third one until one of them has ended."""
    opened(breaker, clock)

    tickets = [breaker.admit() for _ in range(3)]

    assert [ticket is not None for ticket in tickets] == [True, True, False]
    assert tickets[0] is not None
    breaker.done(tickets[0], ill=False)
    assert breaker.admit() is not None


def test_three_good_ones_close_it(breaker: Breaker, clock: Clock) -> None:
    """Then it counts from nothing again."""
    opened(breaker, clock)

    calls(breaker, 3, ill=False)

    assert breaker.state is BreakerState.CLOSED
    calls(breaker, 9, ill=True)
    assert breaker.state is BreakerState.CLOSED


def test_one_ill_probe_opens_it_for_longer(breaker: Breaker, clock: Clock) -> None:
    """Twice as long as the first time."""
    opened(breaker, clock)

    calls(breaker, 1, ill=True)
    clock.passes(RULES.open_s * 1.25)
    still = breaker.state
    clock.passes(RULES.open_s * 1.25)

    assert still is BreakerState.OPEN
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_call_from_before_says_nothing_about_now(breaker: Breaker, clock: Clock) -> None:
    """It was let through while closed and ends, ill, while probes are under way."""
    old = breaker.admit()
    assert old is not None
    opened(breaker, clock)
    assert breaker.state is BreakerState.HALF_OPEN

    breaker.done(old, ill=True)

    assert breaker.state is BreakerState.HALF_OPEN


def test_a_probe_that_was_given_up_makes_room_for_another(breaker: Breaker, clock: Clock) -> None:
    """A process that stops must not leave the breaker waiting for ever."""
    opened(breaker, clock)
    tickets = [breaker.admit(), breaker.admit()]
    assert tickets[0] is not None

    breaker.forget(tickets[0])

    assert breaker.admit() is not None
