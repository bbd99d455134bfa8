"""The sandbox's own webhooks, which the worker posts where it is told an address."""

from __future__ import annotations

from almoner.bootstrap.gateways import webhook_secret
from almoner.payments.gateways.sandbox.gateway import SandboxGateway
from almoner.payments.gateways.sandbox.post_notices import NoticePoster
from almoner.platform.loops import Loop
from almoner.platform.settings import Settings

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
