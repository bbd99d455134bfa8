"""What truly happened, by the commands that an operator has."""

from __future__ import annotations

import asyncio

import psycopg

from almoner.platform.embedded.data_dir import DataDir, Runtime
from support.serving import Serving


class Books:
    """The sandbox's own record of charges, and every integrity check."""

    def __init__(self, site: Serving) -> None:
        self.site = site

    async def charges(self, amount: str) -> list[bool]:
        """For each charge of this amount that reached the gateway, whether it was captured."""
        code, found = await asyncio.to_thread(self.site.runs, "sandbox", "charges")
        assert code == 0
        return sorted(row["captured"] for row in found["charges"] if row["amount"] == amount)

    async def show(self, amount: str, *charges: bool) -> None:
        """Exactly these charges happened, and `almoner check` holds."""
        found, (code, checked) = await asyncio.gather(
            self.charges(amount), asyncio.to_thread(self.site.runs, "check")
        )
        assert found == sorted(charges)
        assert code == 0, [c for c in checked["checks"] if not c["holds"]]

    @property
    def database_url(self) -> str:
        """Where the site keeps its books."""
        return self._runtime().database_url or ""

    def has_charged(self) -> bool:
        """Whether the sandbox has filed any charge: quicker than asking with a command."""
        with psycopg.connect(self._runtime().sandbox_database_url or "") as connection:
            row = connection.execute("SELECT to_regclass('sandbox_charge') IS NOT NULL").fetchone()
            if row is None or not row[0]:
                return False
            return connection.execute("SELECT 1 FROM sandbox_charge LIMIT 1").fetchone() is not None

    def _runtime(self) -> Runtime:
        runtime = DataDir(str(self.site.data_dir)).read_runtime()
        assert runtime is not None, "the site does not run"
        return runtime
