"""HTTP of following a donation: `GET /donations/{donation_id}/events`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Final
from uuid import UUID

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter
from msgspec import Struct

from almoner.donations.show import DonationView, check_token
from almoner.donations.stream import last_event_id, stream
from almoner.donations.watch import Watching
from almoner.platform.admission import Lane
from almoner.platform.ids import Tokens
from almoner.platform.openapi import problem_answer
from almoner.web.event_stream import EventStream

_ANSWERS: Final = {
    200: ResponseSpec(
        str,
        description="Events, for as long as something may change.",
        media_type="text/event-stream",
        generate_examples=False,
    ),
    404: problem_answer("No such donation, or not your token."),
    503: problem_answer("Too many streams, or no database: ask the donation itself now and then."),
}

Shown = Callable[[UUID], Awaitable[DonationView]]


class Follow(Struct, frozen=True):
    """What the handler asks. `streams` bounds how many go on at once."""

    read_tokens: Tokens
    watching: Watching
    streams: Lane


def follow_handler(shown: Shown, follow: Follow) -> HTTPRouteHandler:
    """The handler. `shown` gives the donation as `GET /donations/{donation_id}` would."""

    @get(
        "/donations/{donation_id:uuid}/events",
        summary="Follow a donation",
        media_type="text/event-stream",
        responses=_ANSWERS,
    )
    async def follow_donation(
        donation_id: FromPath[UUID],
        authorization: Annotated[
            str | None,
            HeaderParameter(
                name="Authorization", description="`Bearer` and the donation's read_token."
            ),
        ] = None,
        seen: Annotated[
            str | None,
            HeaderParameter(
                name="Last-Event-ID", description="The id of the last event that came before."
            ),
        ] = None,
    ) -> EventStream:
        """The donation as it stands now, then each change, as server-sent events.

        Each event `donation` holds what `GET /donations/{donation_id}` would answer; its id is the
        `version`. The stream ends when the status is final, or after five minutes: come back then
        with `Last-Event-ID`.
        """
        check_token(follow.read_tokens, donation_id, authorization)

        @asynccontextmanager
        async def source() -> AsyncIterator[AsyncIterator[bytes]]:
            async with follow.streams:
                with follow.watching.watch(donation_id) as watch:
                    now = await shown(donation_id)
                    yield stream(watch, now, last_event_id(seen))

        return EventStream(source)

    return follow_donation
