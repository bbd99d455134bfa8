"""Stream: tell an open page of every change to its donation, as server-sent events.

The format is that of the HTML standard, "Server-sent events". The id of an event is the version of
what it shows, so that a page that comes back says with `Last-Event-ID` what it has seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from almoner.donations.show import DonationView
from almoner.donations.watch import Watch
from almoner.platform.clock import jitter, monotonic_s

HEARTBEAT_S: Final = 15.0
LIFE_S: Final = 300.0
RETRY_MS: Final = (1_000, 4_000)
"""When a page shall come back after the end of a stream; those that ended together do not come
back together."""

_HEARTBEAT: Final = b": nothing new\n\n"


def last_event_id(header: str | None) -> int:
    """The version that a page has seen; 0 when it has seen none, or says nothing we gave."""
    text = header or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


async def stream(watch: Watch, now: DonationView, seen: int) -> AsyncIterator[bytes]:
    """The donation as it stands now, then each change, until it is final or five minutes are over.

    Never anything older than `seen`, which the page has shown already. A change that shows in
    nothing the donor reads is left out.
    """
    ends_at_s = monotonic_s() + LIFE_S
    yield _retry()
    shown = now
    if now.version >= seen:
        yield _event(now)
    while not _is_final(shown):
        left_s = ends_at_s - monotonic_s()
        news = await watch.next(min(HEARTBEAT_S, max(left_s, 0.0)))
        if watch.ended or (news is None and monotonic_s() >= ends_at_s):
            yield _retry()
            return
        if news is None:
            yield _HEARTBEAT
        elif news.version > max(shown.version, seen):
            if not _looks_alike(news, shown):
                yield _event(news)
            shown = news


def _is_final(view: DonationView) -> bool:
    """Whether waiting can change no more."""
    return view.status not in ("pending", "processing")


def _looks_alike(one: DonationView, other: DonationView) -> bool:
    return msgspec.structs.replace(one, version=other.version, updated_at=other.updated_at) == other


def _event(view: DonationView) -> bytes:
    return b"id: %d\nevent: donation\ndata: %b\n\n" % (view.version, msgspec.json.encode(view))


def _retry() -> bytes:
    return b"retry: %d\n\n" % jitter().randint(*RETRY_MS)
