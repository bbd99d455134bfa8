"""Tell the sandbox of an installation what to do wrong."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from almoner.payments.gateways.sandbox.fault_book import all_faults, set_fault
from almoner.payments.gateways.sandbox.faults import Fault, named
from almoner.payments.gateways.sandbox.gateway import SandboxGateway
from support.installation import Installation


def sandboxes(almoner: Installation) -> list[SandboxGateway]:
    """The sandbox as the web process and as the worker know it."""
    found = [almoner.web._charger, almoner.work.gateway]
    return [gateway for gateway in found if isinstance(gateway, SandboxGateway)]


async def go_wrong(
    almoner: Installation, kind: str, operation: str | None = None, **how: Any
) -> None:
    """Set a fault that every process meets from now on."""
    gateways = sandboxes(almoner)
    async with gateways[0].record.transaction() as connection:
        await set_fault(connection, structs.replace(named(kind, operation), **how))
    for gateway in gateways:
        gateway.faults.reread()


async def faults_of(almoner: Installation) -> list[Fault]:
    """All faults of the table, also those that are over."""
    return await all_faults(sandboxes(almoner)[0].record.database, over=True)
