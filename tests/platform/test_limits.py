"""Limits: counted by several rules or by none, also while Valkey is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from almoner.platform.cache import open_cache
from almoner.platform.limits import Count, FailureRule, Limiter, Rule, TooMany
from support.donor import Donor
from support.installation import Installations

AGAIN = Rule("again", 8, 3600)
FAILURES = FailureRule("failures", 4, 60, 600)
OWN = Rule("own", 4, 3600, shown=True)
WIDE = Rule("wide", 6, 3600)
NOWHERE = "redis://127.0.0.1:1"

MakeLimiter = Callable[[str], Awaitable[Limiter]]


@pytest.fixture
async def make_limiter() -> AsyncIterator[MakeLimiter]:
    """Makes limiters on a cache, or on one that is not there."""
    made = []

    async def make(url: str) -> Limiter:
        cache = open_cache(url)
        limiter = Limiter(cache, AGAIN, FAILURES)
        await limiter.open()
        made.append((limiter, cache))
        return limiter

    yield make
    for limiter, cache in made:
        await limiter.close()
        await cache.aclose()


@pytest.fixture
async def limiter(make_limiter: MakeLimiter, redis_url: str) -> Limiter:
    """One that counts in Valkey."""
    return await make_limiter(redis_url)


@pytest.fixture(params=["with Valkey", "without"])
async def either(
    request: pytest.FixtureRequest, make_limiter: MakeLimiter, redis_url: str
) -> tuple[Limiter, int]:
    """A limiter, and by what its counts are divided: both kinds keep the same rules."""
    if request.param == "without":
        return await make_limiter(NOWHERE), 2
    return await make_limiter(redis_url), 1


def counts(who: str, around: str = "everybody") -> list[Count]:
    """Of one caller, and of the network around."""
    return [Count(OWN, who), Count(WIDE, around)]


async def passes(limiter: Limiter, who: str, name: str | None, *rules: Count) -> bool:
    """Whether a request may pass."""
    try:
        await limiter.take(who, name, rules or counts(who))
    except TooMany:
        return False
    return True


async def tries(limiter: Limiter, who: str, count: int) -> int:
    """How many of so many requests at once may pass."""
    found = await asyncio.gather(*(passes(limiter, who, None) for _ in range(count)))
    return found.count(True)


async def test_so_many_pass_and_no_more(either: tuple[Limiter, int]) -> None:
    """The fifth is refused, also when all come in one tick."""
    limiter, part = either

    assert await tries(limiter, "a", 10) == 4 // part


async def test_what_one_rule_refuses_uses_up_nothing_of_the_others(
    either: tuple[Limiter, int],
) -> None:
    """Six in the network: four of a, and although a went on trying, two are left for b."""
    limiter, part = either
    await tries(limiter, "a", 50)

    assert await tries(limiter, "b", 10) == 2 // part
    assert not await passes(limiter, "c", None)
    assert await passes(limiter, "c", None, *counts("c", "elsewhere"))


async def test_a_request_that_comes_again_counts_once(either: tuple[Limiter, int]) -> None:
    """The same gift three times is one of the four, also when none is left for another."""
    limiter, part = either

    passed = [await passes(limiter, "a", "gift 1") for _ in range(3)]
    left = await tries(limiter, "a", 10)

    assert passed == [True] * 3
    assert left == 4 // part - 1
    assert await passes(limiter, "a", "gift 1")
    assert not await passes(limiter, "a", "gift 2")


async def test_a_refused_request_counts_when_it_comes_again(either: tuple[Limiter, int]) -> None:
    """Having been refused is no ticket for later."""
    limiter, _ = either
    await tries(limiter, "a", 10)

    assert [await passes(limiter, "a", "late") for _ in range(3)] == [False] * 3


async def test_repeating_is_limited_too(either: tuple[Limiter, int]) -> None:
    """One gift may come again, but not without end."""
    limiter, part = either

    passed = [await passes(limiter, "a", "gift") for _ in range(20)]

    assert passed.count(True) == 1 + AGAIN.count // part


async def test_too_many_failures_pause(either: tuple[Limiter, int]) -> None:
    """Four failures within a minute, and nothing new is taken for ten; what was taken goes on."""
    limiter, part = either
    assert await passes(limiter, "a", "taken")
    for _ in range(FAILURES.count // part - 1):
        await limiter.failed("a")
    early = await passes(limiter, "b", "b's") and await passes(limiter, "a", "taken")

    await limiter.failed("a")

    assert early
    with pytest.raises(TooMany) as refused:
        await limiter.take("a", "new", counts("a", "elsewhere"))
    assert 590 < int(refused.value.headers["Retry-After"]) <= 600
    assert await passes(limiter, "a", "taken")
    assert await passes(limiter, "c", None, *counts("c", "elsewhere"))


async def test_failures_far_apart_do_not_pause(redis_url: str) -> None:
    """Only those within the window count together."""
    cache = open_cache(redis_url)
    limiter = Limiter(cache, AGAIN, FailureRule("failures", 2, 1, 600))
    await limiter.open()
    await limiter.failed("a")
    await cache.delete("almoner:{limits}:failures:a")  # as it expires by itself

    await limiter.failed("a")

    assert await passes(limiter, "a", None)
    await limiter.close()
    await cache.aclose()


async def test_looking_counts_nothing(either: tuple[Limiter, int]) -> None:
    """The headers of an answer that was not counted tell how the caller stands."""
    limiter, part = either
    await passes(limiter, "a", None)

    looks = [(await limiter.look("a", counts("a"))).headers()["RateLimit"] for _ in range(9)]

    assert all(look.startswith(f'"own";r={4 // part - 1};t=') for look in looks)


async def test_a_refusal_says_when_to_come_back(limiter: Limiter) -> None:
    """Retry-After and RateLimit headers agree with the rule; what concerns others is not told."""
    await tries(limiter, "a", 4)

    with pytest.raises(TooMany) as refused:
        await limiter.take("a", None, counts("a"))

    headers = refused.value.headers
    wait = headers["Retry-After"]
    assert 800 < int(wait) <= 900
    assert headers["RateLimit-Policy"] == '"own";q=4;w=3600'
    assert headers["RateLimit"] == f'"own";r=0;t={wait}'


async def test_a_refusal_by_a_rule_of_others_is_told_without_their_numbers(
    limiter: Limiter,
) -> None:
    """The name of the rule and the wait, not how many others there were."""
    await asyncio.gather(*(tries(limiter, who, 3) for who in "abc"))

    with pytest.raises(TooMany) as refused:
        await limiter.take("d", None, counts("d"))

    assert refused.value.headers["RateLimit-Policy"] == '"own";q=4;w=3600'
    own, _, wide = refused.value.headers["RateLimit"].partition(", ")
    assert own == '"own";r=4;t=0'
    assert wide.startswith('"wide";r=0;t=')


async def test_counts_are_shared_by_all_processes(
    make_limiter: MakeLimiter, redis_url: str
) -> None:
    """Two limiters on one Valkey are one."""
    one, other = await make_limiter(redis_url), await make_limiter(redis_url)
    await passes(one, "a", "gift")
    await tries(one, "a", 2)

    assert await tries(other, "a", 10) == 1
    assert await passes(other, "a", "gift")


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


async def test_the_same_gift_sent_again_counts_once(installation: Installations) -> None:
    """A page that asks again and again does not lock its donor out."""
    donor = Donor(await installation(limits="standard"))
    for _ in range(6):
        await donor.gives(key="one-and-the-same-key", email="one@example.com")

    answers = [await donor.gives() for _ in range(3)]

    assert [a.status_code for a in answers] == [201, 201, 429]


async def test_one_address_is_not_another(installation: Installations) -> None:
    """Behind a proxy that is trusted, each donor has limits of their own; and so has a network."""
    almoner = await installation(limits="standard", trusted_proxies="127.0.0.1")

    async def gives(address: str) -> int:
        almoner.client.headers["X-Forwarded-For"] = address
        return (await Donor(almoner).gives()).status_code

    first = [await gives("198.51.100.1") for _ in range(4)]
    second = [await gives("198.51.100.2") for _ in range(4)]
    network = [await gives(f"203.0.113.{n}") for n in range(90)]

    assert first == second == [201, 201, 201, 429]
    assert set(network[:60]) == {201}
    assert 429 in network[60:]


async def test_one_mailbox_gives_five_times_an_hour(installation: Installations) -> None:
    """From wherever; the address itself is in no key of the cache."""
    almoner = await installation(limits="standard", trusted_proxies="127.0.0.1")
    codes = []
    for n in range(6):
        almoner.client.headers["X-Forwarded-For"] = f"198.51.{n}.1"
        answer = await Donor(almoner).gives(email="Same@Example.com", amount=f"{10 + n}.00")
        codes.append(answer.status_code)

    assert codes == [201] * 5 + [429]
    assert almoner.web.cache is not None
    keys = [key async for key in almoner.web.cache.scan_iter("*")]
    assert not any(b"xample" in key.lower() for key in keys)


async def test_every_answer_tells_the_limits(installation: Installations) -> None:
    """201, 402, 409, 422, 400 and 429 alike; trials have wide ones, which are told and counted."""
    donor = Donor(await installation(limits="standard"))
    email = "one@example.com"
    answers = [
        await donor.gives(email=email),
        await donor.gives(email=email),
        await donor.gives(amount="2000.00"),
        await donor.gives(email="mistyped"),
        await donor.gives(key="short"),
        await donor.gives(),
        await donor.gives(),
    ]
    trial = Donor(await installation())
    wide = [await trial.gives(), await trial.gives()]

    assert [a.status_code for a in answers] == [201, 409, 402, 422, 400, 429, 429]
    policy = '"give-minute";q=3;w=60, "give-day";q=10;w=86400'
    assert {a.headers["RateLimit-Policy"] for a in answers} == {policy}
    left = [a.headers["RateLimit"].split(";")[1] for a in answers]
    assert left == ["r=2", "r=1", "r=0", "r=0", "r=0", "r=0", "r=0"]
    assert wide[0].headers["RateLimit-Policy"] == '"give-sandbox";q=6000000;w=60'
    assert wide[1].headers["RateLimit"].startswith('"give-sandbox";r=599999')
    assert (await trial.almoner.client.get("/config")).json()["limits"] == "sandbox"


async def test_gifts_go_on_without_valkey(installation: Installations) -> None:
    """The cache is away for good: a gift is taken all the same, under stricter limits."""
    almoner = await installation(redis_url=NOWHERE, limits="standard")

    answers = [await Donor(almoner).gives() for _ in range(2)]

    assert [a.status_code for a in answers] == [201, 429]
