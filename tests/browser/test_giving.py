"""The ordinary way: find a charity, give, read the thank-you page."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from browser.books import Books
from browser.conftest import PHONE, Visitors
from browser.visitor import BAD_CARD, SLUG, Visitor, new_amount

pytestmark = pytest.mark.asyncio(loop_scope="session")

TABS_MAX = 80


async def test_from_the_list_to_the_thank_you_page(visitor: Visitor, books: Books) -> None:
    """A donor finds a charity in the list, fills in the test card and is thanked for one gift."""
    amount = new_amount()
    page = await visitor.opens("/")

    await page.get_by_role("link", name="American Red Cross").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("American Red Cross")
    await page.get_by_role("link", name="Give to American Red Cross").click()
    await page.get_by_role("button", name="Fill in the test card").click()
    await page.get_by_text("$25", exact=True).click()
    await expect(page.get_by_label("Amount", exact=True)).to_have_value("25")
    await page.get_by_label("Amount", exact=True).fill(amount)
    await page.get_by_label("First name").fill("John")
    await page.get_by_label("Last name").fill("Doe")
    await page.get_by_label("Email").fill(visitor.email)
    await page.get_by_role("button", name=f"Give ${amount}").click()

    thanks = await visitor.sees("gift-success")
    await expect(thanks).to_contain_text(f"${amount}")
    await expect(thanks).to_contain_text("American Red Cross")
    await expect(page).to_have_title("Thank you for your gift · Almoner")
    assert re.fullmatch(rf"{visitor.url}/gift/[0-9a-f-]{{36}}#t=.{{20,}}", page.url)
    assert len(visitor.sent) == 1
    await books.show(amount, True)


async def test_the_page_of_a_gift_comes_back_by_its_address(visitors: Visitors) -> None:
    """The address of the thank-you page opens the same gift in another browser."""
    amount = new_amount()
    giver = await visitors()
    await giver.opens_form()
    await giver.fills_in(amount)
    await giver.gives()
    await giver.sees("gift-success")

    other = await visitors()
    await other.opens(giver.page.url.removeprefix(giver.url))

    await expect(await other.sees("gift-success")).to_contain_text(f"${amount}")


async def test_no_card_number_leaves_the_page(visitor: Visitor) -> None:
    """Neither a request nor anything the tab remembers holds the digits of the card."""
    await visitor.opens_form()
    await visitor.fills_in(new_amount())
    await visitor.gives()
    await visitor.sees("gift-success")

    kept = await visitor.page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    everything = kept + "".join(str(sent.body) for sent in visitor.sent)
    assert "4111" not in re.sub(r"[\s-]", "", everything)


async def test_search_forgives_a_typing_error(visitor: Visitor) -> None:
    """Two letters are wrong, the charity is found, and the address keeps the search."""
    page = await visitor.opens("/")

    await page.get_by_label("Search").fill("amercan red cros")

    await expect(page.get_by_test_id("charity-card").first).to_contain_text("American Red Cross")
    await expect(page).to_have_url(f"{visitor.url}/?q=amercan+red+cros")
    await page.reload()
    await expect(page.get_by_test_id("charity-card").first).to_contain_text("American Red Cross")


async def test_filters_narrow_the_list(visitor: Visitor) -> None:
    """Cause and country hold together; a search without a result offers the way out."""
    page = await visitor.opens("/")
    await page.get_by_label("Country").select_option("GB")
    await page.get_by_label("Cause").select_option("animals")

    cards = page.get_by_test_id("charity-card")
    await expect(cards.first).to_contain_text("Animals · United Kingdom")
    for text in await cards.all_inner_texts():
        assert "United Kingdom" in text
    await page.get_by_label("Search").fill("zzzzqqqq")
    await expect(page.get_by_test_id("empty")).to_be_visible()
    await page.get_by_role("button", name="Show all charities").click()
    await expect(cards).not_to_have_count(0)
    await expect(page).to_have_url(f"{visitor.url}/")


async def test_the_whole_way_in_chinese_on_a_phone(visitors: Visitors, books: Books) -> None:
    """The browser asks for Chinese: list, charity, form and thanks speak it, and so does the
    body that is sent."""
    amount = new_amount()
    visitor = await visitors(lang="zh-CN", viewport=PHONE)
    page = await visitor.opens("/")

    await expect(page.get_by_role("heading", level=1)).to_have_text("找到您关心的公益事业")
    await page.get_by_label("搜索").fill("红十字")
    await page.get_by_test_id("charity-card").first.get_by_role("link").click()
    await page.get_by_role("link", name=re.compile("捐款$")).click()
    await page.get_by_role("button", name="填入测试卡").click()
    await page.get_by_label("金额", exact=True).fill(amount)
    await page.get_by_label("姓", exact=True).fill("王")
    await page.get_by_label("名", exact=True).fill("小明")
    await page.get_by_label("电子邮箱").fill(visitor.email)
    await page.get_by_role("button", name=re.compile("^捐款 ")).click()

    await expect(await visitor.sees("gift-success")).to_contain_text("感谢您的捐款")
    assert await page.evaluate("document.documentElement.lang") == "zh-CN"
    assert visitor.sent[0].body["locale"] == "zh-CN"
    assert visitor.sent[0].body["last_name"] == "王"
    await books.show(amount, True)


async def test_a_change_of_language_keeps_what_was_written(visitor: Visitor) -> None:
    """The switch changes the words of a half-filled form and nothing in it, card included."""
    page = await visitor.opens_form()
    await visitor.fills_in("12.34")

    await page.get_by_label("Language").select_option("zh-CN")

    await expect(page.get_by_label("电子邮箱")).to_have_value(visitor.email)
    await expect(page.locator("#card-number")).to_have_value(re.compile("^4111"))
    await expect(page.locator("#amount")).to_have_value("12.34")


async def test_a_declined_card_and_then_a_good_one(visitor: Visitor, books: Books) -> None:
    """The decline is told in plain words, the form keeps everything but the card, and the second
    try is a gift of its own: one charge."""
    amount = new_amount()
    visitor.deliberate = {"402"}
    page = await visitor.opens_form()
    await visitor.fills_in(amount, card=BAD_CARD)
    await visitor.gives()
    await expect(await visitor.sees("gift-failure")).to_contain_text("You were not charged")

    await page.get_by_role("link", name="Try again").click()
    await expect(page.locator("#email")).to_have_value(visitor.email)
    await expect(page.locator("#card-number")).to_have_value("")
    await visitor.types_card("5555 5555 5555 4444")
    await visitor.gives()

    await visitor.sees("gift-success")
    assert len(visitor.keys) == 2
    await books.show(amount, False, True)


async def test_insufficient_funds_are_named(visitor: Visitor, books: Books) -> None:
    """The amount 2001.00 makes the sandbox bank say so."""
    visitor.deliberate = {"402"}
    await visitor.opens_form()
    await visitor.fills_in("2001.00")
    await visitor.gives()

    reason = await visitor.sees("decline-reason")
    await expect(reason).to_contain_text("not enough money")
    await books.show("2001.00", False)


async def test_giving_by_keyboard_alone(visitor: Visitor, books: Books) -> None:
    """Tab, letters, arrows and Enter lead from the list to the thank-you page; after every step
    the focus is where a screen reader should go on reading."""
    amount = new_amount()
    page = await visitor.opens("/")
    await expect(page.get_by_test_id("charity-card").first).to_be_visible()

    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await tab_to(page, "#search")
    await page.keyboard.type("american red cross")
    await expect(page).to_have_url(re.compile("q=american"))
    await tab_to(page, f"a[href='/c/{SLUG}']")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await tab_to(page, f"a[href='/c/{SLUG}/give']")
    await page.keyboard.press("Enter")
    await expect(page.locator("#card-number")).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await tab_to(page, "input[name=preset]")
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#amount")).not_to_have_value("")
    for target, text in {
        "#amount": amount,
        "#first_name": "John",
        "#last_name": "Doe",
        "#email": visitor.email,
        "#card-number": "4111111111111111",
        "#card-expiry": "1230",
        "#card-cvv": "123",
    }.items():
        await tab_to(page, target)
        await page.keyboard.press("ControlOrMeta+a")
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")

    await visitor.sees("gift-success")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await books.show(amount, True)


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is there."""
    for _ in range(TABS_MAX):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")
