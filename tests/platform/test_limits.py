"""Limits: counted for each address, also while Valkey is away, and never by a forged one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from almoner.platform.cache import open_cache
from almoner.platform.http import client_address_reader
from almoner.platform.limits import Limiter, Rule, TooMany, network_of
from support.donor import Donor
from support.installation import Installations

RULE = Rule("test", 4, 3600)


@pytest.fixture
async def limiter(redis_url: str) -> AsyncIterator[Limiter]:
    """Four requests an hour."""
    cache = open_cache(redis_url)
    limiter = Limiter(cache, [RULE])
    await limiter.open()
    yield limiter
    await limiter.close()
    await cache.aclose()


async def tries(limiter: Limiter, who: str, count: int) -> list[bool]:
    """Which of so many requests at once may pass."""
    found = await asyncio.gather(
        *(limiter.check(who) for _ in range(count)), return_exceptions=True
    )
    return [not isinstance(verdict, TooMany) for verdict in found]


async def test_so_many_pass_and_no_more(limiter: Limiter) -> None:
    """The fifth is refused, also when all come in one tick; another address is not."""
    assert (await tries(limiter, "a", 10)).count(True) == 4
    assert (await tries(limiter, "b", 2)).count(True) == 2


async def test_a_refusal_says_when_to_come_back(limiter: Limiter) -> None:
    """Retry-After and RateLimit headers agree with the rule."""
    await tries(limiter, "a", 4)

    with pytest.raises(TooMany) as refused:
        await limiter.check("a")

    headers = refused.value.headers
    assert 800 < int(headers["Retry-After"]) <= 900
    assert headers["RateLimit-Policy"] == '"test";q=4;w=3600'
    assert headers["RateLimit"].startswith('"test";r=0;t=')


async def test_without_valkey_half_as_much_passes() -> None:
    """Nothing hangs and nothing is unlimited."""
    cache = open_cache("redis://127.0.0.1:1")
    limiter = Limiter(cache, [RULE])
    await limiter.open()

    passed = await tries(limiter, "a", 10)

    assert passed.count(True) == 2
    await limiter.close()
    await cache.aclose()


async def test_the_public_limits_stop_the_fourth_gift_in_a_minute(
    installation: Installations,
) -> None:
    """429 is a problem with Retry-After; nothing of that request is written."""
    almoner = await installation(limits="standard")
    donor = Donor(almoner)

    answers = [await donor.gives() for _ in range(4)]

    assert [a.status_code for a in answers] == [201, 201, 201, 429]
    assert answers[3].json()["code"] == "too_many_requests"
    assert int(answers[3].headers["Retry-After"]) >= 1
    assert await almoner.value("SELECT count(*) FROM donation") == 3


async def test_a_form_with_mistakes_does_not_use_up_the_limit(installation: Installations) -> None:
    """A donor who mistypes ten times can still give."""
    almoner = await installation(limits="standard")
    donor = Donor(almoner)
    for _ in range(10):
        await donor.gives(email="mistyped")

    answer = await donor.gives()

    assert answer.status_code == 201


async def test_gifts_go_on_without_valkey(installation: Installations) -> None:
    """The cache is away for good: a gift is taken all the same."""
    almoner = await installation(redis_url="redis://127.0.0.1:1")

    answer = await Donor(almoner).gives()

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002::/64"),
        ("2001:db8:1:2::9", "20010db800010002::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("nonsense", "unknown"),
        ("", "unknown"),
    ],
)
def test_one_subscriber_counts_once(address: str, counts_as: str) -> None:
    """An IPv6 subscriber holds a whole /64."""
    assert network_of(address) == counts_as


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "address"),
    [
        ("", "203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.0/8", "203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.0/8", "10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.0/8", "10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.0/8", "10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.0/8", "10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", "10.0.0.9", "10.0.0.9"),
    ],
)
def test_an_address_cannot_be_forged(trusted: str, peer: str, forwarded: str, address: str) -> None:
    """X-Forwarded-For is believed only as far as named proxies wrote it."""
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []

    scope: Any = {"client": (peer, 1), "headers": headers}

    read = client_address_reader(trusted)(scope)

    assert read == address
