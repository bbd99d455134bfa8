"""Pick the gateway, and how it is reached: in this process or through the payments role."""

from __future__ import annotations

from almoner.bootstrap.base import Opens
from almoner.payments.charge import LocalCharging
from almoner.payments.gateways.sandbox.gateway import SandboxGateway
from almoner.payments.remote import RemoteCharging
from almoner.platform.settings import Settings


def make_gateway(settings: Settings) -> SandboxGateway:
    """The gateway that the settings name."""
    return SandboxGateway(
        settings.sandbox_url,
        made_from="" if settings.servers.sandbox_database_url else settings.servers.database_url,
        latency_ms=settings.gateway.sandbox_latency_ms,
    )


def make_charging(settings: Settings) -> tuple[Opens, LocalCharging | RemoteCharging]:
    """What has to be opened for charging, and how to charge."""
    deadline_ms = settings.gateway.gateway_deadline_ms
    if url := settings.gateway.payments_url:
        remote = RemoteCharging(url, settings.secrets.service_token, deadline_ms=deadline_ms)
        return remote, remote
    gateway = make_gateway(settings)
    return gateway, LocalCharging({gateway.name: gateway}, deadline_ms=deadline_ms)
