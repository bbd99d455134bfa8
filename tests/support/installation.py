"""A whole installation in the test's own process, on real servers."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from almoner.app import create_web
from almoner.bootstrap import Web, Work
from almoner.charities.seed_demo import seed_demo
from almoner.platform.settings import SUBJECTS, Settings

SECRET_KEY = "a secret key for the tests of almoner"
SERVICE_TOKEN = "a service token for the tests"


class Installation:
    """The web application with its client, and a worker's resolver. Settings by keyword."""

    def __init__(self, database_url: str, sandbox_url: str, redis_url: str, **given: Any) -> None:
        values = {
            "database_url": database_url,
            "sandbox_database_url": sandbox_url,
            "redis_url": redis_url,
            "secret_key": SECRET_KEY,
            "service_token": SERVICE_TOKEN,
            "sandbox_latency_ms": 5,
            **given,
        }
        self.settings = settings_of(values)
        self.web = Web(self.settings)
        self.work = Work(self.settings)
        self.database = self.web.database
        transport = httpx.ASGITransport(app=create_web(self.web), client=("127.0.0.1", 1))
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


def settings_of(values: dict[str, Any]) -> Settings:
    """Settings with these fields, whichever subject they belong to."""
    subjects = {}
    for subject in SUBJECTS:
        names = {field.name for field in msgspec.structs.fields(subject)}
        subjects[subject.__name__.lower()] = subject(
            **{name: value for name, value in values.items() if name in names}
        )
    return Settings(**subjects)
