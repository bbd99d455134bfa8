"""Lines, banks and servers that fail in the middle of a gift: the page ends at the truth."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from browser.books import Books
from browser.conftest import Visitors
from browser.door import Door
from browser.visitor import Visitor, new_amount
from support.serving import Serving

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLOW = {"sandbox_latency_ms": "4000", "gateway_deadline_ms": "5000"}
"""A bank slow enough to be interrupted; the resolver looks at an orphan ten seconds after."""


async def test_an_answer_that_the_bank_loses(visitor: Visitor, books: Books) -> None:
    """The bank charges and its answer is lost: the page says "being confirmed", never "failed",
    until the resolver has found the charge."""
    amount = new_amount()
    await visitor.opens_form()
    await visitor.fills_in(amount, bank="lost")
    await visitor.gives()

    waiting = await visitor.sees("gift-processing")
    await expect(waiting).to_contain_text("Your gift is being confirmed")
    await expect(waiting).to_contain_text("Please do not give again")
    await visitor.sees("gift-success", timeout_s=40)

    assert len(visitor.sent) == 1
    await books.show(amount, True)


async def test_a_slow_bank(visitor: Visitor, books: Books) -> None:
    """The bank takes fifteen seconds: the donor is let go with a page that waits for them, and
    that may be loaded again."""
    amount = new_amount()
    await visitor.opens_form()
    await visitor.fills_in(amount, bank="slow")
    await visitor.gives()

    await expect(await visitor.sees("gift-processing")).to_contain_text(f"${amount}")
    await visitor.page.reload()
    await expect(await visitor.sees("gift-processing")).to_contain_text(f"${amount}")
    await visitor.sees("gift-success", timeout_s=40)

    assert len(visitor.sent) == 1
    await books.show(amount, True)


async def test_a_bank_out_of_reach(visitor: Visitor, books: Books) -> None:
    """Nothing was sent, so "not charged" is the truth."""
    amount = new_amount()
    visitor.deliberate = {"402"}
    await visitor.opens_form()
    await visitor.fills_in(amount, bank="unreachable")
    await visitor.gives()

    await expect(await visitor.sees("gift-failure")).to_contain_text("You were not charged")
    await books.show(amount)


async def test_offline_when_the_button_is_pressed(visitor: Visitor, books: Books) -> None:
    """Without a line the page keeps trying under the same key, and says that it does."""
    amount = new_amount()
    visitor.deliberate = {"ERR_INTERNET_DISCONNECTED"}
    await visitor.opens_form()
    await visitor.fills_in(amount)
    await visitor.context.set_offline(offline=True)
    await visitor.gives()
    panel = visitor.page.locator("[data-testid=sending][data-phase=waiting]")
    await expect(panel).to_contain_text("We do not know yet what became of your gift")
    await expect(panel).to_contain_text("You will not be charged twice")

    await visitor.context.set_offline(offline=False)

    await visitor.sees("gift-success")
    assert (len(visitor.sent) >= 2, len(visitor.keys)) == (True, 1)
    await books.show(amount, True)


async def test_the_line_breaks_on_the_way_back(visitor: Visitor, books: Books) -> None:
    """The server has charged, the browser hears nothing: the same key brings the same answer."""
    amount = new_amount()
    visitor.deliberate = {"ERR_CONNECTION_RESET"}
    page = await visitor.opens_form()
    await visitor.fills_in(amount)

    async def swallow(route: Route) -> None:
        assert (await route.fetch()).status == 201
        await route.abort("connectionreset")

    await page.route("**/donations", swallow, times=1)
    async with page.expect_response("**/donations") as answered:
        await visitor.gives()
        await visitor.sees("gift-success")

    assert (await answered.value).headers["idempotency-replayed"] == "true"
    assert (len(visitor.sent), len(visitor.keys)) == (2, 1)
    await books.show(amount, True)


async def test_a_server_that_cannot_take_gifts_for_a_moment(visitor: Visitor, books: Books) -> None:
    """A 503 is waited out; the donor may also go back and change the gift, since nothing was
    kept."""
    amount = new_amount()
    visitor.deliberate = {"503"}
    page = await visitor.opens_form()
    await visitor.fills_in("77.77")
    await page.route("**/donations", _unavailable, times=1)
    await visitor.gives()
    await expect(await visitor.sees("sending")).to_contain_text("Our server cannot answer")

    await page.get_by_role("button", name="Stop and change the gift").click()
    await page.locator("#amount").fill(amount)
    await page.route("**/donations", _unavailable, times=1)
    await visitor.gives()
    await page.get_by_role("button", name="Try now").click()

    await visitor.sees("gift-success")
    assert [sent.key == visitor.sent[-1].key for sent in visitor.sent] == [False, True, True]
    await books.show("77.77")
    await books.show(amount, True)


async def _unavailable(route: Route) -> None:
    await route.fulfill(
        status=503,
        headers={"Content-Type": "application/problem+json", "Retry-After": "60"},
        json={
            "type": "urn:almoner:problem:unavailable",
            "title": "Not available",
            "status": 503,
            "code": "unavailable",
        },
    )


async def test_the_list_when_the_server_is_away(visitor: Visitor) -> None:
    """A friendly page, and the list comes by itself once it can be had."""
    visitor.deliberate = {"503"}
    await visitor.context.route("**/charities?*", _unavailable, times=1)
    await visitor.opens("/")
    await expect(await visitor.sees("away")).to_contain_text("charges nothing")

    await expect(visitor.page.get_by_test_id("charity-card").first).to_be_visible()


async def test_the_server_is_killed_in_the_middle_of_a_gift(
    visitors: Visitors, tmp_path: Path
) -> None:
    """kill -9 of everything while the bank is being asked. The page keeps asking under its key;
    after the restart it ends at the truth: one charge, and the books hold."""
    amount = new_amount()
    first = await asyncio.to_thread(Serving, tmp_path / "data", **SLOW)
    async with Door(first.url) as door:
        visitor = await visitors(url=door.url)
        visitor.deliberate = {
            "ERR_CONNECTION_RESET",
            "ERR_EMPTY_RESPONSE",
            "ERR_SOCKET_NOT_CONNECTED",
            "409",
            "503",
        }
        await visitor.opens_form()
        await visitor.fills_in(amount)
        await visitor.gives()
        await _until_charged(Books(first))
        await asyncio.to_thread(_kill_at_once, first)
        await expect(visitor.page.locator("[data-phase=waiting]")).to_be_visible()

        second = await asyncio.to_thread(Serving, tmp_path / "data", **SLOW)
        try:
            door.leads_to = second.url
            await visitor.sees("gift-success", timeout_s=60)

            assert (len(visitor.sent) >= 2, len(visitor.keys)) == (True, 1)
            await Books(second).show(amount, True)
        finally:
            second.stop()


def _kill_at_once(running: Serving) -> None:
    """The web processes go first: with the supervisor gone they would end in good order."""
    running.process.send_signal(signal.SIGSTOP)
    for pid in running.children("web"):
        os.kill(pid, signal.SIGKILL)
    running.kill()


async def _until_charged(books: Books) -> None:
    deadline = time.monotonic() + 20
    while not await asyncio.to_thread(books.has_charged):
        assert time.monotonic() < deadline, "nothing was charged"
        await asyncio.sleep(0.05)
