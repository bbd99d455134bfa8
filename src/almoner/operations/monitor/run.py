"""Run: look at every invariant, every few minutes at what changed, every night at everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, time
from typing import Final, Literal
from uuid import UUID

import structlog
from msgspec import Struct

from almoner.operations.finding import Finding
from almoner.operations.invariants import INVARIANTS
from almoner.operations.match_gateway import MatchedGateway
from almoner.operations.monitor import queries
from almoner.operations.view import View
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.errors import Unavailable
from almoner.platform.schema import REVISION, revision_of

log = structlog.get_logger(__name__)

MARGIN_MS: Final = 120_000
"""How much two looks at what changed overlap: longer than a transaction of ours is open, and more
than clocks may disagree."""
AFTER_RESTART_MS: Final = 3_600_000
"""How far back to look when the database was away: older outcomes may have been written since."""
SINCE_MAX_MS: Final = 86_400_000
"""A look at what changed goes back a day at most, for an open finding two. The rest is the night's
work."""
LEASE_MS: Final = 120_000
KEEP_EVERY_S: Final = 30
FULL_EVERY_MS: Final = 20 * 3_600_000
FULL_OVERDUE_MS: Final = 36 * 3_600_000
FULL_AGAIN_MS: Final = 2 * 3_600_000
"""After a look at everything that failed."""

Kind = Literal["changed", "full"]


class Rhythm(Struct, frozen=True):
    """How often to look, and between which times of day (UTC) to look at everything."""

    every_minutes: int
    full_from: time
    full_until: time

    def is_night(self, at_ms: int) -> bool:
        """Whether a time is inside the hours for looking at everything."""
        now = datetime.fromtimestamp(at_ms / 1000, UTC).time()
        if self.full_from <= self.full_until:
            return self.full_from <= now < self.full_until
        return now >= self.full_from or now < self.full_until


class Monitor:
    """Looks when it is time to. Several may run: one looks, the others see that it does.

    `quick` is for looks at what changed, `slow` for looks at everything; each has connections of
    its own and bounds how long a statement may take.
    """

    def __init__(
        self, quick: Database, slow: Database, gateway: MatchedGateway, rhythm: Rhythm
    ) -> None:
        self._quick = quick
        self._slow = slow
        self._gateway = gateway
        self._rhythm = rhythm
        self._server: str | None = None

    async def step(self) -> int:
        """Look at what changed, if it is time or another server than last time answers.

        Raises DatabaseAway.
        """
        try:
            server = await queries.read_server(self._quick)
            restarted = self._server != server.identity
            if await revision_of(self._quick) == REVISION and (
                restarted or await self._changed_is_due(server.now_ms)
            ):
                await self.look("changed", restarted=restarted)
            self._server = server.identity
        except Unavailable:
            self._server = None  # when it comes back, somebody has to look
            raise
        return 0

    async def step_full(self) -> int:
        """Look at everything, if it is time. Raises DatabaseAway."""
        server = await queries.read_server(self._quick)
        if await revision_of(self._quick) == REVISION and await self._full_is_due(server.now_ms):
            await self.look("full")
        return 0

    async def look(self, kind: Kind, *, restarted: bool = False) -> list[Finding] | None:
        """Look now. None when somebody else is looking. Raises DatabaseAway."""
        since_ms = await self._since_ms(restarted=restarted) if kind == "changed" else None
        async with self._quick.transaction() as connection:
            run_id = await queries.begin_run(connection, kind, since_ms, LEASE_MS)
        if run_id is None:
            return None
        async with self._lease(run_id):
            findings, failed = await self._examine(since_ms)
        async with self._quick.transaction() as connection:
            await queries.end_run(connection, run_id, findings, failed)
            await queries.forget_old_runs(connection)
        _say(kind, findings, failed)
        return findings

    async def _changed_is_due(self, at_ms: int) -> bool:
        last_ms = await queries.last_started_ms(self._quick, "changed", whole=False)
        return last_ms is None or at_ms - last_ms >= self._rhythm.every_minutes * 60_000

    async def _full_is_due(self, at_ms: int) -> bool:
        """At night; one that was missed is made up for by day."""
        tried_ms = await queries.last_started_ms(self._quick, "full", whole=False)
        if tried_ms is not None and at_ms - tried_ms < FULL_AGAIN_MS:
            return False
        last_ms = await queries.last_started_ms(self._quick, "full")
        if last_ms is None or at_ms - last_ms > FULL_OVERDUE_MS:
            return True
        return self._rhythm.is_night(at_ms) and at_ms - last_ms > FULL_EVERY_MS

    async def _since_ms(self, *, restarted: bool) -> int:
        """From before the last look on, or from where the oldest open finding came from."""
        at_ms = now_ms()
        last_ms = await queries.last_started_ms(self._quick, "changed")
        since_ms = at_ms - SINCE_MAX_MS if last_ms is None else last_ms - MARGIN_MS
        if restarted:
            since_ms = min(since_ms, at_ms - AFTER_RESTART_MS)
        since_ms = max(since_ms, at_ms - SINCE_MAX_MS)
        open_ms = await queries.oldest_open_since_ms(self._quick)
        if open_ms is None:
            return since_ms
        return min(since_ms, max(open_ms, at_ms - 2 * SINCE_MAX_MS))

    async def _examine(self, since_ms: int | None) -> tuple[list[Finding], list[str]]:
        """Each invariant by itself: one that cannot be looked at does not hide the others."""
        full = since_ms is None
        view = View(
            self._slow if full else self._quick,
            self._gateway,
            since_ms=since_ms,
            nightly=full,
            deep=full,
        )
        findings: list[Finding] = []
        failed: list[str] = []
        for invariant in INVARIANTS:
            try:
                findings += [finding async for finding in invariant.look(view)]
            except Exception:
                await queries.read_server(self._quick)  # or else nothing can be looked at
                log.exception("invariant_not_looked_at", number=invariant.number)
                failed.append(type(invariant).__name__)
        return findings, failed

    @asynccontextmanager
    async def _lease(self, run_id: UUID) -> AsyncIterator[None]:
        """Keep others from looking meanwhile. What a look finds whose lease was lost is dropped."""

        async def keep() -> None:
            ours = True
            while ours:
                await asyncio.sleep(KEEP_EVERY_S)
                with suppress(Unavailable):
                    async with self._quick.connection() as connection:
                        ours = await queries.keep_run(connection, run_id, LEASE_MS)

        keeping = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeping.cancel()


def _say(kind: Kind, findings: list[Finding], failed: list[str]) -> None:
    broken = [finding for finding in findings if not finding.holds]
    for finding in broken:
        log.error(
            "invariant_broken",
            number=finding.number,
            check=finding.name,
            breaches=finding.breaches,
            examples=finding.examples,
        )
    log.info("integrity_looked", kind=kind, checks=len(findings), broken=len(broken), failed=failed)
