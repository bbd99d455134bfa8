"""axe finds nothing on any page, in light and dark, narrow and wide, English and Chinese."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, Route, ViewportSize, expect

from browser.conftest import DESKTOP, PHONE, Visitors
from browser.visitor import SLUG
from support.donor import gift
from support.serving import Serving

pytestmark = pytest.mark.asyncio(loop_scope="session")

RULES = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gifts(site: Serving) -> AsyncIterator[dict[str, str]]:
    """Paths of gift pages by status."""
    paths = {}
    async with site.client() as client:
        for status, nonce in {
            "success": "fake-valid-nonce",
            "failure": "fake-processor-declined-visa-nonce",
        }.items():
            given = await _give(client, nonce)
            assert given["status"] == status
            paths[status] = f"/gift/{given['donation_id']}#t={given['read_token']}"
    yield paths


async def _give(client: httpx.AsyncClient, nonce: str) -> dict[str, str]:
    answer = await client.post(
        "/donations",
        json=gift(payment_method_nonce=nonce, amount="4321.00"),
        headers={"Idempotency-Key": str(uuid4())},
    )
    told: dict[str, str] = answer.json()
    return told


# Every pair of width, colours and language stands together once.
@pytest.mark.parametrize(
    ("viewport", "dark", "lang"),
    [
        (PHONE, False, "en"),
        (PHONE, True, "zh-CN"),
        (DESKTOP, True, "en"),
        (DESKTOP, False, "zh-CN"),
    ],
    ids=["phone-light-en", "phone-dark-zh", "desktop-dark-en", "desktop-light-zh"],
)
async def test_axe_finds_nothing(
    visitors: Visitors, gifts: dict[str, str], viewport: ViewportSize, dark: bool, lang: str
) -> None:
    """List, charity, form empty and with errors, the ends of a gift, waiting, the API page."""
    visitor = await visitors(lang=lang, dark=dark, viewport=viewport)
    visitor.deliberate = {"503"}
    page = await visitor.opens("/")
    findings = {}

    await expect(page.get_by_test_id("charity-card").first).to_be_visible()
    findings["list"] = await look(page)
    await page.goto(f"{visitor.url}/c/{SLUG}")
    await expect(page.locator(f"a[href='/c/{SLUG}/give']")).to_be_visible()
    findings["charity"] = await look(page)
    await page.goto(f"{visitor.url}/c/{SLUG}/give")
    await expect(page.locator("#card-number")).to_be_visible()
    findings["form"] = await look(page)
    await page.locator("details summary").click()
    await visitor.gives()
    await visitor.sees("error-summary")
    findings["form with errors"] = await look(page)
    for status, path in gifts.items():
        page = await visitor.opens(path)
        await visitor.sees(f"gift-{status}")
        findings[status] = await look(page)
    page = await visitor.opens("/api")
    await expect(page.get_by_test_id("call").first).to_be_visible()
    await page.locator("details").first.locator("summary").click()
    findings["api"] = await look(page)
    await visitor.context.route("**/donations/*", still_processing)
    await visitor.context.route("**/donations/*/events", refused)
    page = await visitor.opens(gifts["success"])
    await visitor.sees("gift-processing")
    findings["processing"] = await look(page)
    # It goes on asking; what it asks for must be answered before its browser is closed.
    await page.goto("about:blank")
    await visitor.context.unroute_all(behavior="wait")
    await visitor.context.route("**/donations", refused)
    page = await visitor.opens_form()
    await visitor.fills_in("4322.00")
    await visitor.gives()
    await expect(page.locator("[data-phase=waiting]")).to_be_visible()
    findings["waiting"] = await look(page)

    assert {name: found for name, found in findings.items() if found} == {}


async def look(page: Page) -> list[str]:
    """What axe has to say, one line a finding."""
    results = await Axe().run(page, options=RULES)
    return [
        f"{finding['id']}: {node['target']} {node.get('failureSummary', '')}"
        for finding in results.response["violations"]
        for node in finding["nodes"]
    ]


async def still_processing(route: Route) -> None:
    """The gift as it was before the bank spoke."""
    answer = await route.fetch()
    told = await answer.json()
    told |= {"status": "processing", "transaction_id": None}
    await route.fulfill(response=answer, json=told)


async def refused(route: Route) -> None:
    """Too much at once: without a stream the page asks, and a gift is sent again later."""
    await route.fulfill(
        status=503,
        headers={"Content-Type": "application/problem+json", "Retry-After": "60"},
        json={"code": "overloaded"},
    )


async def test_axe_can_find_something(visitors: Visitors) -> None:
    """The watcher watched: a page with a fault is not passed."""
    visitor = await visitors()
    page = await visitor.opens("/no/such/page")
    await visitor.sees("not-found")

    await page.evaluate("document.querySelector('h1').outerHTML = '<img src=\"/favicon.svg\">'")

    assert any(line.startswith("image-alt:") for line in await look(page))
