"""A whole installation in the test's own process, on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx
import msgspec

from almoner.app import create_web
from almoner.bootstrap import Web, Work, make_gateway
from almoner.charities.choose import CharityChooser
from almoner.charities.seed_demo import seed_demo
from almoner.donations.drain import Drain
from almoner.operations.check import check
from almoner.operations.view import View
from almoner.platform.journal.files import DiskSegments
from almoner.platform.journal.journal import Journal
from almoner.platform.settings import SUBJECTS, Settings

Installations = Callable[..., Coroutine[Any, Any, "Installation"]]
NewDatabase = Callable[..., str]
SECRET_KEY = "a secret key for the tests of almoner"
SERVICE_TOKEN = "a service token for the tests"


class Installation:
    """The web application with its client, and a worker's resolver. Settings by keyword."""

    def __init__(self, **given: Any) -> None:
        values = {
            "secret_key": SECRET_KEY,
            "service_token": SERVICE_TOKEN,
            "sandbox_latency_ms": 5,
            "gateway_pause_ms": 5,
            **given,
        }
        self.expected_broken: list[str] = []
        self.settings = settings_of(values)
        self.web = Web(self.settings)
        self.work = Work(self.settings)
        self.database = self.web.database
        transport = httpx.ASGITransport(
            app=cast("Any", create_web(self.web)), client=("127.0.0.1", 1)
        )
        self.client = httpx.AsyncClient(transport=transport, base_url="http://almoner.test")

    async def __aenter__(self) -> Self:
        await self.web.open()
        await self.work.open()
        await seed_demo(self.database)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.work.close()
        await self.client.aclose()
        await self.web.close()

    async def value(self, sql: str, *parameters: Any) -> Any:
        """The single value of a query."""
        row = await self.database.fetch_one(sql, parameters)
        return None if row is None else next(iter(row.values()))

    async def charged(self) -> list[tuple[str, str, bool]]:
        """What the sandbox truly did: amount, currency, captured."""
        gateway = make_gateway(self.settings)
        await gateway.open()
        try:
            return [
                (c.money.decimal_text(), c.money.currency, c.captured)
                async for c in gateway.charges()
            ]
        finally:
            await gateway.close()

    async def orders(self) -> list[tuple[str, bool]]:
        """What the sandbox truly did: order id, captured."""
        gateway = make_gateway(self.settings)
        await gateway.open()
        try:
            return [(c.order_id, c.captured) async for c in gateway.charges()]
        finally:
            await gateway.close()

    async def resolve_now(self, *, age_s: int = 0) -> None:
        """Let the resolver look at every attempt in doubt, as if it were `age_s` older."""
        await self.due_now(age_s=age_s)
        while await self.work.resolver.sweep():
            pass

    async def late_now(self) -> None:
        """Look again at every attempt that has ended, decide about late money, and give back."""
        async with self.database.connection() as connection:
            await connection.execute(
                "UPDATE payment_attempt SET next_check_at = now() - interval '1 second' "
                "WHERE state NOT IN ('PREPARED', 'DISPATCHED', 'UNKNOWN')"
            )
        await self.work.resolver.sweep(limit=1_000)
        await self.decide_late()

    async def decide_late(self) -> None:
        """Decide about late money that was seen, and give back what is not to be kept."""
        while await self.work.late_money.sweep():
            pass
        while await self.work.giving_back.sweep():
            pass

    async def due_now(self, *, age_s: int = 0) -> None:
        """Make every attempt in doubt due for its next look-up."""
        async with self.database.connection() as connection:
            await connection.execute(
                "UPDATE payment_attempt SET next_check_at = now(), version = version + 1, "
                "dispatched_at = dispatched_at - make_interval(secs => %s) "
                "WHERE state IN ('DISPATCHED', 'UNKNOWN')",
                (age_s,),
            )

    async def forget_charities(self) -> None:
        """Let the give path look charities up again, as it does by itself after some seconds."""
        await self.web.chooser.close()
        self.web.chooser._known = CharityChooser(self.database)._known

    async def until_idle(self) -> None:
        """Wait until no gift is being carried out."""
        while self.web.giving.under_way:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)

    async def until_withdrawn(self) -> None:
        """Wait until no stamp is left that this process has to withdraw."""
        while self.web.kept.withdrawals.waiting:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)

    async def until_back(self) -> None:
        """Wait until this process knows that its database is back."""
        assert await self.web.kept.outage.over_within(10)

    @property
    def drain(self) -> Drain:
        """What brings kept gifts in."""
        assert self.web.draining is not None
        return self.web.draining.drain

    @property
    def journal(self) -> Journal:
        """The journal of this process."""
        assert self.web.kept.journal is not None
        return self.web.kept.journal

    @property
    def journal_dir(self) -> str:
        """Where the segments are."""
        return self.settings.journal.journal_dir

    def hold_drain(self) -> None:
        """Let kept gifts wait, as behind a slow database."""

        async def waits(backlog: object) -> int:
            return 0

        self.drain._drain = waits  # type: ignore[method-assign]

    def release_drain(self) -> None:
        """Let the drain go on."""
        del self.drain._drain

    def nonces_ran_out(self) -> None:
        """Let every nonce count as too old."""
        assert self.web.draining is not None
        take_in = self.web.draining._take_in
        take_in._rules = msgspec.structs.replace(take_in._rules, nonce_ms=-1)

    def drop_journal(self) -> Path:
        """Lose the journal as a kill -9 does: nothing is closed in order, the lock is gone."""
        self.hold_drain()
        own, self.journal._own = self.journal._own, None
        assert own is not None
        own.file.close()
        return Path(self.journal_dir) / f"{own.file.name}.journal"

    async def until_drained(self, *, damaged: int = 0, processes: int = 1) -> None:
        """Wait until every kept gift is in the database and its charge is done.

        So many segments may be left: the own ones of the processes, and damaged ones.
        """
        files = DiskSegments(self.journal_dir)
        async with asyncio.timeout(30):
            while (  # noqa: ASYNC110 - nobody tells us
                self.web.kept.keeping.oldest_ms is not None
                or self.drain.waiting
                or len(await files.names()) > damaged + processes
            ):
                await asyncio.sleep(0.02)
            await self.drain.until_charged()

    async def until_charged(self) -> None:
        """Wait until the sandbox has charged something."""
        while not await self.charged():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)

    async def broken(self) -> list[str]:
        """The names of the checks that do not hold."""
        gateway = make_gateway(self.settings)
        await gateway.open()
        try:
            return [f.name async for f in check(View(self.database, gateway)) if not f.holds]
        finally:
            await gateway.close()


def settings_of(values: dict[str, Any]) -> Settings:
    """Settings with these fields, whichever subject they belong to."""
    subjects: dict[str, Any] = {}
    for subject in SUBJECTS:
        names = {field.name for field in msgspec.structs.fields(subject)}
        subjects[subject.__name__.lower()] = subject(
            **{name: value for name, value in values.items() if name in names}
        )
    return Settings(**subjects)
