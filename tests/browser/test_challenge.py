"""A charity on guard, as its donors see it: they see nearly nothing, and give."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Request, expect

from browser.books import Books
from browser.conftest import Visitors
from browser.visitor import Visitor, new_amount
from support.donor import gift
from support.serving import Serving, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")

GUARDED, SLUG, OTHER = 101, "american-red-cross", "medecins-sans-frontieres"
_addresses = (f"198.{n // 250}.{n % 250}.1" for n in itertools.count(18 * 250))


@pytest.fixture(scope="module")
def public_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with the public limits, behind a proxy that says who comes."""
    data_dir = tmp_path_factory.mktemp("public") / "data"
    with serving(
        data_dir, limits="standard", trusted_proxies="127.0.0.1", sandbox_latency_ms="20"
    ) as running:
        yield running


async def stranger(visitors: Visitors, site: Serving, lang: str = "en") -> Visitor:
    """Somebody at the public site from an address of their own."""
    headers = {"X-Forwarded-For": next(_addresses)}
    return await visitors(url=site.url, lang=lang, extra_http_headers=headers)


async def cards_are_tried(site: Serving) -> None:
    """From many addresses, until work is asked for."""
    async with site.client() as client:
        for _ in range(60):
            answer = await _tries_a_card(client)
            if answer.status_code == 428:
                return
    raise AssertionError("the charity is not on guard")


async def _tries_a_card(client: httpx.AsyncClient) -> httpx.Response:
    body = gift(charity_id=GUARDED, payment_method_nonce="fake-processor-declined-visa-nonce")
    headers = {"Idempotency-Key": str(uuid4()), "X-Forwarded-For": next(_addresses)}
    return await client.post("/donations", json=body, headers=headers)


async def test_in_ordinary_times_nobody_is_asked_for_anything(
    visitors: Visitors, public_site: Serving
) -> None:
    """One request with the ticket of the form; nothing of the puzzles is even loaded."""
    amount, visitor = new_amount(), await stranger(visitors, public_site)
    loaded: list[str] = []
    visitor.context.on("request", lambda request: loaded.append(request.url))
    await visitor.opens_form()
    await visitor.fills_in(amount)

    await visitor.gives()
    await visitor.sees("gift-success")

    assert len(visitor.sent) == 1
    assert visitor.sent[0].body["form_token"]
    assert not any("solve" in url for url in loaded)
    await Books(public_site).show(amount, True)


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
async def test_a_donor_of_a_guarded_charity_gives_without_doing_anything(
    visitors: Visitors, public_site: Serving, lang: str
) -> None:
    """The page does the work in a worker, under its strict policy, and the same gift goes through;
    no other host is asked for anything."""
    await cards_are_tried(public_site)
    amount, visitor = new_amount(), await stranger(visitors, public_site, lang)
    visitor.deliberate = {"428"}
    workers: list[str] = []
    page = await visitor.opens_form()
    page.on("worker", lambda worker: workers.append(worker.url))
    await visitor.fills_in(amount)

    await visitor.gives()
    await visitor.sees("gift-success")

    assert len(visitor.sent) == 2
    assert len(visitor.keys) == 1
    first, second = (sent.body for sent in visitor.sent)
    assert second == {**first, "challenge_solution": second["challenge_solution"]}
    assert len(workers) == 1
    assert "solver.worker" in workers[0]
    await Books(public_site).show(amount, True)


async def test_a_donor_is_told_what_the_page_does(visitors: Visitors, public_site: Serving) -> None:
    """While the solution is under way: in words, in a place that a screen reader reads out."""
    await cards_are_tried(public_site)
    amount, visitor = new_amount(), await stranger(visitors, public_site)
    visitor.deliberate = {"428"}
    page = await visitor.opens_form()
    await visitor.fills_in(amount)
    await page.evaluate(
        """() => {
          window.told = [];
          new MutationObserver(() => {
            const panel = document.querySelector('[data-phase=checking]');
            if (panel) window.told.push([panel.querySelector('h1').textContent,
                                         panel.querySelector('[role=status]').textContent]);
          }).observe(document.body, {subtree: true, childList: true, attributes: true});
        }"""
    )

    await visitor.gives()
    await visitor.sees("gift-success")

    heading, status = (await page.evaluate("() => window.told"))[0]
    assert heading == "One moment: we check that you are a person"
    assert "You need not do anything." in status


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", "Nothing has been charged so far."), ("zh-CN", "到目前为止没有扣款。")],
)
async def test_who_is_held_up_by_a_limit_reads_that_nothing_was_charged(
    visitors: Visitors, public_site: Serving, lang: str, words: str
) -> None:
    """The fourth gift from one address within a minute waits, and says when it goes on."""
    amount, visitor = new_amount(), await stranger(visitors, public_site, lang)
    visitor.deliberate = {"429"}
    await visitor.opens(f"/c/{OTHER}/give")
    await visitor.page.locator("#card-number").wait_for()
    await visitor.fills_in(amount)
    address = {"X-Forwarded-For": f"198.20.7.{len(lang)}"}
    await visitor.context.set_extra_http_headers(address)
    async with public_site.client() as client:
        for _ in range(3):
            headers = {"Idempotency-Key": str(uuid4()), **address}
            given = await client.post("/donations", json=gift(charity_id=102), headers=headers)
            assert given.status_code == 201

    await visitor.gives()
    panel = visitor.page.locator("[data-phase=waiting]")
    await expect(panel).to_contain_text(words)
    told = await panel.inner_text()

    assert any(second in told for second in ("seconds", "秒后重试"))
    await Books(public_site).show(amount)


async def test_a_very_quick_donor_is_not_taken_for_a_script(
    visitors: Visitors, public_site: Serving
) -> None:
    """The page itself waits until its form is old enough."""
    amount, visitor = new_amount(), await stranger(visitors, public_site)
    times: dict[str, float] = {}
    loop = asyncio.get_running_loop()

    def note(request: Request) -> None:
        times[request.url.rpartition("/")[2]] = loop.time()

    visitor.context.on("request", note)
    await visitor.opens(f"/c/{OTHER}/give")
    await visitor.page.locator("#card-number").wait_for()
    await visitor.fills_in(amount)

    await visitor.gives()
    await visitor.sees("gift-success")

    assert times["donations"] - times["donation-form"] > 2.5
    assert len(visitor.sent) == 1
