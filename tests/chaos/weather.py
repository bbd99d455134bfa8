"""Weather: what the gateway does wrong by chance, from a seed, and its own count of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

from msgspec import Struct

from almoner.bootstrap.sandbox import SandboxTools
from almoner.platform.errors import Unavailable
from almoner.platform.settings import Servers, Settings
from support.serving import Serving

COUNT_EVERY_S = 0.5


class Kind(Struct, frozen=True):
    """A fault of the sandbox: what it strikes, how long it takes, and the gifts it may meet."""

    name: str
    operation: str = "charge"
    delay_ms: int | None = None
    amount: str | None = None
    probability: float | None = None

    @property
    def title(self) -> str:
        """How the table calls it."""
        struck = "" if self.operation in ("charge", "webhook") else f" of a {self.operation}"
        late = self.name == "late_charge" and (self.delay_ms or 0) > 10_000
        return f"{self.name}{struck}{', after the second miss' if late else ''}"


# Each throw of the dice is a commit of the sandbox's, so each amount has dice of its own.
KINDS = (
    Kind("lost_timeout", amount="12.00"),
    Kind("lost_reset", amount="12.00"),
    Kind("lost_500", amount="12.00"),
    Kind("refused", amount="12.00"),
    Kind("lost_empty", amount="25.50"),
    Kind("lost_html", amount="25.50"),
    Kind("duplicate", amount="25.50"),
    Kind("duplicate_of_another", amount="25.50"),
    Kind("not_sent", amount="7.77"),
    Kind("slow", delay_ms=900, amount="7.77"),
    Kind("answer_late", delay_ms=3_500, amount="7.77"),
    Kind("decline", amount="7.77"),
    Kind("in_flight", delay_ms=400, amount="100.00"),
    Kind("too_fast", amount="100.00"),
    Kind("index_lag", delay_ms=5_000, amount="100.00"),
    Kind("late_decline", amount="100.00"),
    Kind("late_charge", delay_ms=3_000, amount="64.00"),
    # Behind the second miss of a look-up (ten seconds here): found when it had been given up.
    Kind("late_charge", delay_ms=14_000, amount="64.00"),
    Kind("late_success", delay_ms=3_000, amount="64.00"),
    Kind("look_up_down", "look_up"),
    Kind("webhook_late", "webhook", delay_ms=3_000, probability=0.15),
    Kind("webhook_twice", "webhook", probability=0.15),
    Kind("webhook_out_of_order", "webhook", delay_ms=3_000, probability=0.15),
    Kind("webhook_forged", "webhook", probability=0.15),
    Kind("webhook_lost", "webhook", probability=0.15),
)

RARER = (
    Kind("index_lag", "look_up"),
    Kind("lost_timeout", "look_up"),
    Kind("lost_html", "look_up"),
    Kind("too_fast", "look_up"),
    Kind("not_sent", "look_up"),
)
"""For a long campaign: there are few look-ups beside the charges."""

WAY_BACK = (
    Kind("lost_500", "reverse", probability=0.4),
    Kind("lost_reset", "reverse", probability=0.4),
    Kind("not_sent", "reverse", probability=0.4),
)
"""While all heals: most late money is found only then, and must go back nevertheless."""


class Weather:
    """Faults by chance in the sandbox's own table, where it counts how often each struck."""

    def __init__(self, tools: SandboxTools) -> None:
        self._tools = tools
        self._titles: list[str] = []
        self.struck: dict[str, int] = {}

    async def begin(self, kinds: tuple[Kind, ...], seed: int, probability: float) -> None:
        """Set them all, where none is set."""
        self._titles = [kind.title for kind in kinds]
        self.struck |= dict.fromkeys(self._titles, 0)
        for number, kind in enumerate(kinds):
            amount_minor = int(Decimal(kind.amount) * 100) if kind.amount else None
            await self._tools.set_fault(
                kind.name,
                kind.operation,
                probability=kind.probability or probability,
                seed=seed * 1_000 + number,
                delay_ms=kind.delay_ms,
                amount_minor=amount_minor,
            )

    async def watch(self) -> None:
        """Read the sandbox's count again and again, until cancelled."""
        while True:
            with suppress(Unavailable):
                await self.count()
            await asyncio.sleep(COUNT_EVERY_S)

    async def count(self) -> None:
        """Read the sandbox's count. Raises Unavailable."""
        rows = (await self._tools.faults())["faults"]
        if not rows:  # cleared by a commit that nobody heard of
            return
        for title, row in zip(self._titles, rows, strict=True):
            self.struck[title] = row["happened"]

    async def clear_up(self) -> None:
        """No more faults from now on; the last count stays. Waits for a database that is away."""
        for _ in range(60):
            with suppress(Unavailable):
                await self.count()
                await self._tools.clear_faults(None)
                self._titles = []
                return
            await asyncio.sleep(0.5)
        raise TimeoutError("the sandbox's record never came back")

    async def settle(self) -> bool:
        """The gateway closes its batch: charges settle, and those that were told to fail do so."""
        try:
            await self._tools.settle(None)
        except Unavailable:
            return False
        return True

    async def charges(self) -> list[dict[str, Any]]:
        """The gateway's own record of what it charged, as `almoner sandbox charges` shows it."""
        return [
            {
                "order_id": charge.order_id,
                "transaction_id": charge.gateway_transaction_id,
                "amount": charge.money.decimal_text(),
                "captured": charge.captured,
                "state": str(state),
            }
            async for charge, state in self._tools.charges()
        ]

    def missing(self) -> list[str]:
        """Kinds that did not strike yet."""
        return [title for title, count in self.struck.items() if not count]


@asynccontextmanager
async def weather(
    running: Serving, kinds: tuple[Kind, ...], seed: int, probability: float
) -> AsyncIterator[Weather]:
    """Let the gateway go wrong from now on."""
    runtime = json.loads((running.data_dir / "runtime.json").read_text())
    settings = Settings(
        servers=Servers(
            database_url=runtime["database_url"],
            sandbox_database_url=runtime["sandbox_database_url"],
            redis_url=runtime["redis_url"],
        )
    )
    tools = SandboxTools(settings)
    await tools.open()
    try:
        bad = Weather(tools)
        await bad.begin(kinds, seed, probability)
        yield bad
    finally:
        await tools.close()
