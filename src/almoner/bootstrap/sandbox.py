"""The sandbox beside its charges: its webhooks, and what a person can do with it by command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import structs

from almoner.bootstrap.gateways import chance_faults, make_gateway, webhook_secret
from almoner.money import Money, MoneyError
from almoner.payments.gateway import Payout, RecordedCharge, SettledCharge
from almoner.payments.gateways.sandbox.dispute import CannotDispute, Step
from almoner.payments.gateways.sandbox.fault_book import all_faults, clear_faults, set_fault
from almoner.payments.gateways.sandbox.faults import STRIKES, UnknownFault, checked, named
from almoner.payments.gateways.sandbox.gateway import SandboxGateway
from almoner.payments.gateways.sandbox.post_notices import NoticePoster
from almoner.payments.gateways.sandbox.settle import payout_id, payout_number, write_report
from almoner.payments.gateways.sandbox.truth import recorded
from almoner.platform.loops import Loop
from almoner.platform.settings import Settings, SettingsError

_PAUSE_S = 0.2
_HOUR_S = 3_600.0


class SandboxWebhooks:
    """Posts what the sandbox has to tell. Without an address it does nothing."""

    def __init__(self, settings: Settings, gateway: SandboxGateway) -> None:
        url = settings.sandbox.sandbox_webhook_url
        self.poster = NoticePoster(gateway, url, webhook_secret(settings)) if url else None

    async def open(self) -> None:
        """Make the client."""
        if self.poster:
            await self.poster.open()

    async def close(self) -> None:
        """Close all connections."""
        if self.poster:
            await self.poster.close()

    def loops(self) -> list[Loop]:
        """What the worker does for it."""
        if self.poster is None:
            return []
        return [
            Loop("sandbox webhooks", self.poster.post_due, _PAUSE_S),
            Loop("sandbox webhooks forgotten", self.poster.forget_old, _HOUR_S),
        ]


class CannotDo(Exception):
    """What was asked for makes no sense now; the text says why."""


class SandboxTools:
    """What a person can do with the sandbox by command."""

    def __init__(self, settings: Settings) -> None:
        self._gateway = make_gateway(settings)
        self._record = self._gateway.record
        self._by_chance = chance_faults(settings)

    async def open(self) -> None:
        """Connect."""
        await self._gateway.open()

    async def close(self) -> None:
        """Disconnect."""
        await self._gateway.close()

    async def charges(self) -> AsyncIterator[tuple[RecordedCharge, str]]:
        """Every charge, with the sandbox's own word for its state. Raises DatabaseAway."""
        async for entry in self._record.entries():
            yield recorded(entry), entry.state

    async def settle(self, report: Path | None) -> list[dict[str, Any]]:
        """Close the batch; writes its report. Raises DatabaseAway, or OSError for the report."""
        ids = await self._record.close_batch()
        before = payout_id(payout_number(ids[0]) - 1) if ids else ""
        found = [paid async for paid in self._record.payouts(before)] if ids else []
        if report is not None:
            with report.open("w", encoding="utf-8", newline="") as file:
                write_report(file, found)
        return [_told(payout, charges) for payout, charges in found]

    async def dispute(self, transaction: str, step: Step) -> dict[str, Any]:
        """Take one step of a dispute. Raises CannotDo, or DatabaseAway."""
        try:
            entry = await self._record.dispute(transaction, step)
        except CannotDispute as error:
            raise CannotDo(str(error)) from None
        return {"transaction_id": entry.transaction_id, "order_id": entry.order_id, "step": step}

    async def set_fault(self, kind: str, operation: str | None, **how: Any) -> dict[str, Any]:
        """Set a fault for all processes. Raises SettingsError, or DatabaseAway."""
        try:
            fault = checked(structs.replace(named(kind, operation), **how))
        except UnknownFault as error:
            raise SettingsError(str(error)) from None
        async with self._record.transaction() as connection:
            await set_fault(connection, fault)
        return structs.asdict(fault)

    async def clear_faults(self, kind: str | None) -> int:
        """Take back faults of a kind, or all. Raises SettingsError, or DatabaseAway."""
        try:
            known = named(kind).kind if kind else None
        except UnknownFault as error:
            raise SettingsError(str(error)) from None
        async with self._record.transaction() as connection:
            return await clear_faults(connection, known)

    async def faults(self) -> dict[str, Any]:
        """The faults that are set, and the kinds there are. Raises DatabaseAway."""
        await self._record.prepare()
        found = [*await all_faults(self._record.database, over=True), *self._by_chance]
        return {"faults": [structs.asdict(fault) for fault in found], "kinds": STRIKES}

    def amount_minor(self, amount: str | None, currency: str) -> int | None:
        """An amount as it is typed. Raises SettingsError."""
        if amount is None:
            return None
        try:
            return Money.parse(amount, currency).amount_minor
        except MoneyError as error:
            raise SettingsError(f"--amount: {error}") from None


def _told(payout: Payout, charges: Sequence[SettledCharge]) -> dict[str, Any]:
    def text(amount_minor: int) -> str:
        return Money(amount_minor, payout.currency).decimal_text()

    gross_minor = sum(charge.money.amount_minor for charge in charges)
    return {
        "payout_id": payout.payout_id,
        "currency": payout.currency,
        "charges": len(charges),
        "gross": text(gross_minor),
        "fees": text(gross_minor - payout.net_minor),
        "net": text(payout.net_minor),
    }
