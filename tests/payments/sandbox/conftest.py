"""The sandbox alone, without an installation around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from almoner.payments.gateways.sandbox.gateway import SandboxGateway, SandboxRules

SECRET = "a secret for the webhooks of the tests"


@pytest.fixture
async def sandbox(new_database: Callable[..., str]) -> AsyncIterator[SandboxGateway]:
    """A sandbox with an empty record."""
    gateway = sandbox_at(new_database(empty=True))
    await gateway.open()
    yield gateway
    await gateway.close()


def sandbox_at(url: str) -> SandboxGateway:
    """A quick sandbox on this database."""
    return SandboxGateway(url, SandboxRules(webhook_secret=SECRET))
