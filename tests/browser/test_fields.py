"""What is wrong is said at its field, in words, before anything is sent where that is possible."""

from __future__ import annotations

import psycopg
import pytest
from playwright.async_api import expect

from browser.books import Books
from browser.conftest import Visitors
from browser.visitor import Visitor, new_amount

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_field_tells_its_problem_when_it_is_left(visitor: Visitor) -> None:
    """The error appears when the donor goes on, not while typing, and goes when it is mended."""
    page = await visitor.opens_form()
    email = page.get_by_label("Email")

    await email.press_sequentially("john@")
    await expect(email).to_have_attribute("aria-invalid", "false")
    await email.press("Tab")

    await expect(email).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#email-error")).to_contain_text("no complete email address")
    await email.fill("john@example.com")
    await expect(email).to_have_attribute("aria-invalid", "false")


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "more than zero"),
        ("-5", "more than zero"),
        ("0.50", "smallest gift is $1"),
        ("50000.01", "largest gift by card is $50,000"),
        ("1.234", "at most 2 decimals"),
        ("50,5", "in digits"),
    ],
)
async def test_an_amount_that_cannot_be_given(visitor: Visitor, amount: str, words: str) -> None:
    """Each wrong amount has its own sentence."""
    page = await visitor.opens_form()

    await page.locator("#amount").fill(amount)
    await page.locator("#amount").press("Tab")

    await expect(page.locator("#amount-error")).to_contain_text(words)


async def test_pressing_the_button_names_every_field_at_once(visitor: Visitor) -> None:
    """The summary takes the focus; each line names its field and leads to it; nothing is sent."""
    page = await visitor.opens_form()
    await page.locator("#card-number").fill("4111 1111 1111 1112")
    await page.locator("#card-expiry").fill("12/25")

    await visitor.gives()

    summary = await visitor.sees("error-summary")
    await expect(summary).to_be_focused()
    await expect(summary).to_contain_text("7 things need another look")
    for line in (
        "Amount:",
        "First name:",
        "Last name:",
        "Email:",
        "Card number: There is a typing error",
        "Expiry date: This card has expired",
        "Security code:",
    ):
        await expect(summary).to_contain_text(line)
    await summary.get_by_role("link", name="Card number:").click()
    await expect(page.locator("#card-number")).to_be_focused()
    assert visitor.sent == []


async def test_a_real_card_is_never_sent(visitor: Visitor) -> None:
    """A number that is nobody's test card stops at the page of a demo."""
    page = await visitor.opens_form()
    await visitor.fills_in(new_amount(), card="4929 1234 5678 9017")

    await visitor.gives()

    summary = await visitor.sees("error-summary")
    await expect(summary).to_contain_text("Card number:")
    await expect(page.locator("#card-number")).to_have_attribute("aria-invalid", "true")
    assert visitor.sent == []


async def test_what_only_the_server_can_refuse_stands_at_its_field(
    visitor: Visitor, books: Books
) -> None:
    """An address that looks right and is none: the server's 422 is shown at the email field, the
    mended form goes out under the same key."""
    amount, email = new_amount(), visitor.email
    visitor.deliberate = {"422"}
    visitor.email = "john..doe@example.com"
    page = await visitor.opens_form()
    await visitor.fills_in(amount)
    await visitor.gives()

    summary = await visitor.sees("error-summary")
    await expect(summary).to_contain_text("Email:")
    await expect(page.locator("#email")).to_have_attribute("aria-invalid", "true")
    await page.locator("#email").fill(email)
    await visitor.gives()
    await visitor.sees("gift-success")

    assert (len(visitor.sent), len(visitor.keys)) == (2, 1)
    await books.show(amount, True)


async def test_a_charity_that_was_closed_meanwhile(visitors: Visitors, books: Books) -> None:
    """The form was open when the charity closed: the donor is told, and nothing is charged."""
    amount = new_amount()
    visitor = await visitors()
    visitor.deliberate = {"422"}
    page = await visitor.opens("/?q=oxfam")
    await page.get_by_role("link", name="Oxfam").first.click()
    await page.get_by_role("link", name="Give to Oxfam").click()
    await visitor.fills_in(amount)
    slug = page.url.split("/")[-2]
    with psycopg.connect(books.database_url) as connection:
        closed = connection.execute(
            "UPDATE charity SET status = 'closed', closed_by = 'staff' WHERE slug = %s", (slug,)
        )
        assert closed.rowcount == 1

    await visitor.gives()

    summary = await visitor.sees("error-summary")
    await expect(summary).to_contain_text("does not take gifts")
    await books.show(amount)
