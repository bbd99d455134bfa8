"""One real server and one Chromium for all tests of a worker process, a new context for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ViewportSize, async_playwright, expect

from browser.books import Books
from browser.chromium import EXECUTABLE, FLAGS
from browser.visitor import Visitor
from support.serving import Serving, serving

WAIT_MS = 15_000
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

Visitors = Callable[..., Awaitable[Visitor]]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server whose gateway is quick, and who keeps nobody waiting for long."""
    data_dir = tmp_path_factory.mktemp("site") / "data"
    with serving(data_dir, sandbox_latency_ms="50", donor_wait_ms="1500") as running:
        yield running


@pytest.fixture
def books(site: Serving) -> Books:
    """What truly happened at the site."""
    return Books(site)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A browser; its contexts share nothing.

    Playwright's plain (synchronous) API would keep an event loop running in this process, in
    which no other test could start its own.
    """
    expect.set_options(timeout=WAIT_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(chromium: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Visitors]:
    """Makes visitors. When the test is over, none of their pages may have complained."""
    made: list[Visitor] = []

    async def make(
        *,
        url: str | None = None,
        lang: str = "en",
        viewport: ViewportSize = DESKTOP,
        dark: bool = False,
        **context: Any,
    ) -> Visitor:
        fresh: BrowserContext = await chromium.new_context(
            locale="zh-CN" if lang == "zh-CN" else "en-US",
            viewport=viewport,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            **context,
        )
        fresh.set_default_timeout(WAIT_MS)
        address = url or request.getfixturevalue("site").url
        visitor = Visitor(fresh, address, lang)
        made.append(visitor)
        return visitor

    yield make
    for visitor in made:
        await visitor.context.close()
    assert [complaint for visitor in made for complaint in visitor.complaints] == []


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(visitors: Visitors) -> Visitor:
    """Somebody with an ordinary browser in English."""
    return await visitors()
