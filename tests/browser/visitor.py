"""Somebody at the pages, with a browser of their own that is watched for every complaint."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import uuid4

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, Request, expect

SLUG = "american-red-cross"
GOOD_CARD = "4111 1111 1111 1111"
BAD_CARD = "4000 1111 1111 1115"
Bank = Literal["card", "decline", "fraud", "consumed", "slow", "lost", "unreachable"]

_cents = itertools.count(1101)


def new_amount() -> str:
    """An amount that no other gift of this process has, and that the sandbox charges."""
    cents = next(_cents)
    return f"{cents // 100}.{cents % 100:02}"


@dataclass(frozen=True)
class Sent:
    """One POST /donations as it left the browser."""

    key: str
    body: dict[str, Any]


class Visitor:
    """A person, a browser context, and one page at first.

    `complaints` gathers what must not happen on any page: errors of the console, violations of
    the content security policy, exceptions, requests to other hosts. A failed answer that a test
    provokes on purpose is named in `deliberate` ("402", "ERR_INTERNET_DISCONNECTED"): the
    browser's own line about it is then let through, and nothing else.
    """

    def __init__(self, context: BrowserContext, url: str, lang: str) -> None:
        self.context = context
        self.url = url
        self.lang = lang
        self.email = f"donor.{uuid4().hex[:12]}@example.com"
        self.deliberate: set[str] = set()
        self.complaints: list[str] = []
        self.sent: list[Sent] = []
        self.page: Page
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.complaints.append(f"exception: {error.error}"))
        context.on("request", self._requested)

    async def opens(self, path: str) -> Page:
        """A tab of their own at this path."""
        self.page = await self.context.new_page()
        await self.page.goto(self.url + path)
        return self.page

    async def opens_form(self) -> Page:
        """The form of a charity, ready to be filled in."""
        page = await self.opens(f"/c/{SLUG}/give")
        await expect(page.locator("#card-number")).to_be_visible()
        return page

    async def fills_in(
        self, amount: str, *, card: str = GOOD_CARD, bank: Bank = "card", page: Page | None = None
    ) -> None:
        """Everything the form asks for. `bank` is what the test bank shall do."""
        page = page or self.page
        await page.locator("#amount").fill(amount)
        await page.locator("#first_name").fill("John")
        await page.locator("#last_name").fill("Doe")
        await page.locator("#email").fill(self.email)
        await self.types_card(card, page=page)
        if bank != "card":
            await page.locator("details summary").click()
            await page.locator("#card-behaviour").select_option(bank)

    async def types_card(self, number: str, *, page: Page | None = None) -> None:
        """The card alone."""
        page = page or self.page
        await page.locator("#card-number").fill(number)
        await page.locator("#card-expiry").fill("12/30")
        await page.locator("#card-cvv").fill("123")

    async def gives(self, page: Page | None = None) -> None:
        """The button."""
        await (page or self.page).get_by_test_id("give").click()

    async def sees(self, test_id: str, *, timeout_s: float | None = None) -> Locator:
        """Wait for a part of the page."""
        part = self.page.get_by_test_id(test_id)
        await expect(part).to_be_visible(timeout=timeout_s and timeout_s * 1000)
        return part

    async def session(self, key: str) -> Any:
        """What this tab remembers under a key."""
        text = await self.page.evaluate("key => sessionStorage.getItem(key)", key)
        return None if text is None else json.loads(text)

    @property
    def keys(self) -> set[str]:
        """The idempotency keys of everything sent."""
        return {sent.key for sent in self.sent}

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"} or self._is_deliberate(message.text):
            return
        self.complaints.append(f"console {message.type}: {message.text}")

    def _is_deliberate(self, text: str) -> bool:
        return text.startswith("Failed to load resource:") and any(
            f"status of {told} " in text or f"net::{told}" in text for told in self.deliberate
        )

    def _requested(self, request: Request) -> None:
        target = urlsplit(request.url)
        if f"{target.scheme}://{target.netloc}" != self.url:
            self.complaints.append(f"request to another host: {request.url}")
        if request.method == "POST" and target.path == "/donations":
            body = json.loads(request.post_data or "{}")
            self.sent.append(Sent(request.headers.get("idempotency-key", ""), body))
