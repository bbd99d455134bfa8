"""Pages that are not there, that are not for everybody, and the one for programs."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.async_api import expect

from browser.visitor import Visitor, new_amount
from support.donor import gift
from support.serving import Serving

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_address_without_a_page(visitor: Visitor) -> None:
    """It says so and leads to the list."""
    page = await visitor.opens("/no/such/page")

    await expect(await visitor.sees("not-found")).to_contain_text("There is no such page")
    await page.get_by_role("link", name="See all charities").click()
    await expect(page.get_by_test_id("charity-card").first).to_be_visible()


async def test_a_charity_that_nobody_knows(visitor: Visitor) -> None:
    """Its page and its form say the same."""
    visitor.deliberate = {"404"}
    for path in ("/c/no-such-charity", "/c/no-such-charity/give"):
        page = await visitor.opens(path)

        await expect(page.get_by_test_id("not-found")).to_contain_text("do not know this charity")


async def test_a_gift_with_a_wrong_token(visitor: Visitor, site: Serving) -> None:
    """Neither a wrong token nor none shows anything of somebody's gift."""
    visitor.deliberate = {"404"}
    amount = new_amount()
    async with site.client() as client:
        answer = await client.post(
            "/donations", json=gift(amount=amount), headers={"Idempotency-Key": str(uuid4())}
        )
        given = answer.json()

    for fragment, words in {
        "#t=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA": "We find no gift under this link",
        "": "This link is not complete",
    }.items():
        page = await visitor.opens(f"/gift/{given['donation_id']}{fragment}")
        await expect(page.get_by_test_id("not-found")).to_contain_text(words)
        await expect(page.locator("body")).not_to_contain_text(amount)


async def test_the_api_page(visitor: Visitor, site: Serving) -> None:
    """Every operation of /openapi.json stands on the page, which the footer links to; its
    example names this server."""
    async with site.client() as client:
        described = (await client.get("/openapi.json")).json()
    page = await visitor.opens("/")

    await page.get_by_role("link", name="API for programs").click()

    calls = page.get_by_test_id("call")
    await expect(calls).to_have_count(sum(len(item) for item in described["paths"].values()))
    await expect(page.get_by_test_id("curl")).to_contain_text(f"curl -i {site.url}/donations")
    give = page.get_by_role("region", name="post /donations")
    await expect(give).to_contain_text("Idempotency-Key")
    await expect(give).to_contain_text("payment_card.expiration_date")


async def test_a_deep_link_into_the_api_page(visitor: Visitor) -> None:
    """The links at its top lead to their operation."""
    page = await visitor.opens("/api")

    await page.get_by_role("link", name="POST /donations").click()

    await expect(page.locator("#post-donations")).to_be_in_viewport()
