"""The watcher watched: what must not happen on a page is noticed."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from browser.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("console.error('something is wrong')", "console error: something is wrong"),
        ("setTimeout(() => { throw new Error('thrown') })", "exception: thrown"),
        ("fetch('/donations/nothing').then(() => 0)", "status of 40"),
        ("fetch('http://127.0.0.2:9/').catch(() => 0)", "Content Security Policy"),
        (
            "document.body.append(Object.assign(document.createElement('script'), "
            "{textContent: '1'}))",
            "Content Security Policy",
        ),
        ("document.body.setAttribute('style', 'color: red')", "Content Security Policy"),
    ],
)
async def test_a_fault_is_noticed(visitor: Visitor, fault: str, complaint: str) -> None:
    """Each kind of fault ends up among the complaints, which end every test."""
    page = await visitor.opens("/no/such/page")
    await visitor.sees("not-found")

    async with (
        page.expect_event("console") if "throw" not in fault else page.expect_event("pageerror")
    ):
        await page.evaluate(f"() => {{ {fault} }}")

    assert any(complaint in told for told in visitor.complaints), visitor.complaints
    visitor.complaints.clear()


async def test_a_request_to_another_host_is_noticed(visitor: Visitor) -> None:
    """Also where the policy of the page would let it through: a link opened by a script."""
    page = await visitor.opens("/no/such/page")
    await visitor.context.route("http://other.test/", lambda route: route.fulfill(body="there"))

    await page.goto("http://other.test/")
    await expect(page.locator("body")).to_have_text("there")

    assert visitor.complaints == ["request to another host: http://other.test/"]
    visitor.complaints.clear()


async def test_only_what_a_test_provokes_on_purpose_is_let_through(visitor: Visitor) -> None:
    """A deliberate 404 does not hide a 400."""
    visitor.deliberate = {"404"}
    page = await visitor.opens("/no/such/page")

    for path in ("/charities/no-such-charity", "/charities?limit=x"):
        async with page.expect_event("console"):
            await page.evaluate("path => fetch(path).then(() => 0)", path)

    assert len(visitor.complaints) == 1
    assert "status of 422" in visitor.complaints[0]
    visitor.complaints.clear()
