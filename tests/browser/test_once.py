"""Whatever a donor presses, reloads or opens twice: one gift."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from browser.books import Books
from browser.visitor import SLUG, Visitor, new_amount

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM = f"almoner.form.{SLUG}"


async def test_a_double_click_gives_once(visitor: Visitor, books: Books) -> None:
    """Two clicks in one breath and two more by script: one request, one charge."""
    amount = new_amount()
    page = await visitor.opens_form()
    await visitor.fills_in(amount)

    await page.evaluate(
        "() => { const b = document.querySelector('[data-testid=give]'); b.click(); b.click(); }"
    )
    await visitor.sees("gift-success")

    assert len(visitor.sent) == 1
    await books.show(amount, True)


async def test_a_double_click_of_the_mouse_gives_once(visitor: Visitor, books: Books) -> None:
    """What a hand does."""
    amount = new_amount()
    page = await visitor.opens_form()
    await visitor.fills_in(amount)

    await page.get_by_test_id("give").dblclick()
    await visitor.sees("gift-success")

    assert len(visitor.sent) == 1
    await books.show(amount, True)


async def test_reloading_in_the_middle_of_a_slow_charge(visitor: Visitor, books: Books) -> None:
    """The page is loaded again and again while the bank thinks: the form does not come back, the
    same key is sent each time, and the page ends at the truth."""
    amount = new_amount()
    visitor.deliberate = {"409"}
    page = await visitor.opens_form()
    await visitor.fills_in(amount, bank="slow")

    async with page.expect_request("**/donations"):
        await visitor.gives()
    for _ in range(2):
        async with page.expect_request("**/donations"):
            await page.reload()
        await visitor.sees("sending")
        await expect(page.get_by_test_id("give")).to_be_hidden()

    await visitor.sees("gift-success", timeout_s=40)
    assert (len(visitor.sent) >= 3, len(visitor.keys)) == (True, 1)
    await books.show(amount, True)


async def test_back_after_a_gift_finds_no_live_form(visitor: Visitor, books: Books) -> None:
    """Back leads past the form; who opens the form again is told of the gift, and the new form
    has a key of its own."""
    amount = new_amount()
    page = await visitor.opens(f"/c/{SLUG}")
    await page.get_by_role("link", name="Give to American Red Cross").click()
    await visitor.fills_in(amount)
    await visitor.gives()
    await visitor.sees("gift-success")

    await page.go_back()
    await expect(page).to_have_url(f"{visitor.url}/c/{SLUG}")
    await page.get_by_role("link", name="Give to American Red Cross").click()

    await expect(await visitor.sees("recent-gift")).to_contain_text(f"You gave ${amount}")
    await expect(page.locator("#email")).to_have_value("")
    assert (await visitor.session(FORM))["key"] not in visitor.keys
    await books.show(amount, True)


async def test_a_duplicated_tab_is_the_same_gift(visitor: Visitor, books: Books) -> None:
    """A tab that the browser copies has the same key: both press the button, both are thanked,
    one charge."""
    amount = new_amount()
    first = await visitor.opens_form()
    await visitor.fills_in(amount)
    async with visitor.context.expect_page() as opened:
        await first.evaluate("() => { window.open(location.href); }")
    second = await opened.value
    await visitor.types_card("4111 1111 1111 1111", page=second)
    await expect(second.locator("#email")).to_have_value(visitor.email)

    visitor.deliberate = {"409"}
    await asyncio.gather(visitor.gives(first), visitor.gives(second))

    for page in (first, second):
        await expect(page.get_by_test_id("gift-success")).to_be_visible()
    assert first.url == second.url
    assert (len(visitor.sent) >= 2, len(visitor.keys)) == (True, 1)
    await books.show(amount, True)


async def test_two_tabs_with_the_same_form(visitor: Visitor, books: Books) -> None:
    """Two tabs opened by hand hold two gifts that look alike: the second one is asked about
    before anything is charged."""
    amount = new_amount()
    tabs: list[Page] = []
    for _ in range(2):
        tabs.append(await visitor.opens_form())
        await visitor.fills_in(amount)

    visitor.deliberate = {"409"}
    await asyncio.gather(*(visitor.gives(tab) for tab in tabs))
    thanked = asyncio.gather(*(_thanked_or_asked(tab) for tab in tabs))

    assert sorted(await thanked) == ["asked", "thanked"]
    assert len(visitor.keys) == 2
    await books.show(amount, True)


async def _thanked_or_asked(page: Page) -> str:
    thanks = page.get_by_test_id("gift-success")
    await expect(thanks.or_(page.get_by_test_id("duplicate"))).to_be_visible()
    return "thanked" if await thanks.count() else "asked"


async def test_a_possible_duplicate_is_asked_about_and_refused(
    visitor: Visitor, books: Books
) -> None:
    """The same gift again, a minute later: "No, once is enough" leads to the first gift."""
    amount = await _gives_twice(visitor)
    dialog = await visitor.sees("duplicate")
    await expect(dialog).to_contain_text("Nothing has been charged for this second one")

    await dialog.get_by_role("button", name="No, once is enough").click()

    await expect(await visitor.sees("gift-success")).to_contain_text(f"${amount}")
    await books.show(amount, True)


async def test_a_possible_duplicate_is_asked_about_and_wanted(
    visitor: Visitor, books: Books
) -> None:
    """ "Yes, give again" makes two gifts, under the key that asked."""
    amount = await _gives_twice(visitor)
    dialog = await visitor.sees("duplicate")

    await dialog.get_by_role("button", name="Yes, give again").click()

    await visitor.sees("gift-success")
    assert len(visitor.keys) == 2
    assert [sent.body.get("confirm_duplicate") for sent in visitor.sent] == [None, None, True]
    await books.show(amount, True, True)


async def test_escape_from_the_question_leads_back_to_the_form(
    visitor: Visitor, books: Books
) -> None:
    """Escape answers nothing: the form is there as it was, and nothing was charged for it."""
    amount = await _gives_twice(visitor)
    await visitor.sees("duplicate")

    await visitor.page.keyboard.press("Escape")

    await expect(visitor.page.get_by_test_id("duplicate")).to_have_count(0)
    await expect(visitor.page.locator("#email")).to_have_value(visitor.email)
    await books.show(amount, True)


async def _gives_twice(visitor: Visitor) -> str:
    """One gift that is paid, then the same form with the same contents. Gives the amount."""
    amount = new_amount()
    await visitor.opens_form()
    await visitor.fills_in(amount)
    await visitor.gives()
    await visitor.sees("gift-success")
    visitor.deliberate = {"409"}
    await visitor.page.goto(f"{visitor.url}/c/{SLUG}/give")
    await visitor.fills_in(amount)
    await visitor.gives()
    return amount
