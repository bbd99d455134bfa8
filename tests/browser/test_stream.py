"""The page of a gift follows it by a stream, and asks where there is none."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Request, Route

from browser.books import Books
from browser.visitor import Visitor, new_amount

pytestmark = pytest.mark.asyncio(loop_scope="session")

READS = re.compile(r"/donations/[0-9a-f-]{36}(/events)?$")


def watched(visitor: Visitor) -> list[str]:
    """What the page asks about its gift from now on: `ask` or `follow`, and nothing secret."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if request.method == "GET" and (found := READS.search(request.url)):
            asked.append("follow" if found[1] else "ask")

    visitor.context.on("request", note)
    return asked


async def test_the_page_turns_to_thanks_by_the_stream_alone(visitor: Visitor, books: Books) -> None:
    """The answer of the bank is lost; seconds later the resolver finds the charge, and the page
    says thank you without having asked a second time."""
    amount = new_amount()
    asked = watched(visitor)
    await visitor.opens_form()
    await visitor.fills_in(amount, bank="lost")
    await visitor.gives()

    await visitor.sees("gift-processing")
    await visitor.sees("gift-success", timeout_s=40)

    assert asked == ["ask", "follow"]
    await books.show(amount, True)


async def test_where_streams_are_refused_the_page_asks(visitor: Visitor, books: Books) -> None:
    """A server that has too many streams: the same end, a little later."""
    amount = new_amount()
    asked = watched(visitor)
    visitor.deliberate = {"503"}

    async def refuse(route: Route) -> None:
        await route.fulfill(status=503, content_type="application/problem+json", body="{}")

    await visitor.context.route(re.compile("/events$"), refuse)
    await visitor.opens_form()
    await visitor.fills_in(amount, bank="lost")
    await visitor.gives()

    await visitor.sees("gift-processing")
    await visitor.sees("gift-success", timeout_s=40)

    assert asked.count("follow") <= 2
    assert asked.count("ask") >= 2
    await books.show(amount, True)
