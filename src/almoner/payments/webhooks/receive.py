"""Receive: check a webhook's signature and store it once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from almoner.payments.card import hide_card_numbers
from almoner.payments.gateway import Forged, Notice, Notifies
from almoner.payments.webhooks import queries
from almoner.payments.webhooks.webhook import Webhook
from almoner.platform.batch import Batcher
from almoner.platform.clock import now_ms
from almoner.platform.db import Database
from almoner.platform.errors import NotFound, Problem
from almoner.platform.ids import new_id
from almoner.platform.metrics import WEBHOOKS

log = structlog.get_logger(__name__)

BYTES_MAX: Final = 256 * 1024
_ID: Final = re.compile(r"[\x21-\x7e]{1,255}")
_KIND_LENGTH_MAX: Final = 100
_QUEUE_MAX: Final = 2_000
_WAIT_MS: Final = 2_000


class WebhookForged(Problem):
    """The signature, or what is signed, is not the gateway's."""

    def __init__(self) -> None:
        super().__init__(
            400,
            "webhook_forged",
            "This is not from the gateway",
            "The signature does not belong to these bytes. Nothing was stored.",
        )


class Webhooks:
    """Receives for the gateways that send webhooks. Many are stored in one commit."""

    def __init__(self, database: Database, gateways: Mapping[str, Notifies]) -> None:
        self._database = database
        self._gateways = gateways
        self._batcher: Batcher[Webhook, bool] = Batcher(
            "webhooks", self._store, queue_max=_QUEUE_MAX, retry_for_ms=_WAIT_MS
        )

    async def open(self) -> None:
        """Begin to store."""
        await self._batcher.open()

    async def close(self) -> None:
        """Store what was taken, then end."""
        await self._batcher.close()

    async def receive(self, gateway_name: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Store a webhook; one that was stored before is as good.

        Raises NotFound for a gateway that is not in use, WebhookForged, or Unavailable, after
        which the gateway sends it again. Only then was nothing stored.
        """
        gateway = self._gateways.get(gateway_name)
        if gateway is None:
            raise NotFound("No such gateway is in use here.")
        try:
            notice = gateway.read_notice(body, headers)
        except Forged:
            WEBHOOKS.labels(gateway_name, "forged").inc()
            raise WebhookForged from None
        new = await self._batcher.submit(_webhook(gateway_name, notice, body))
        WEBHOOKS.labels(gateway_name, "stored" if new else "repeated").inc()

    async def _store(self, webhooks: Sequence[Webhook]) -> list[bool]:
        async with self._database.transaction() as connection:
            stored = await queries.insert(connection, webhooks)
        return [webhook.webhook_id in stored for webhook in webhooks]


def _webhook(gateway_name: str, notice: Notice, body: bytes) -> Webhook:
    """What is stored: nothing that could be a card number.

    An event without a usable id is known by its bytes, as they are stored: a hash of what was
    taken out of them could be guessed.
    """
    payload = hide_card_numbers(body)
    if payload != body:
        log.warning("webhook_with_digits_of_a_card", gateway=gateway_name)
    usable = _is_usable(notice.external_id)
    return Webhook(
        webhook_id=new_id(),
        gateway=gateway_name,
        external_id=notice.external_id if usable else hashlib.sha256(payload).hexdigest(),
        kind=_without_cards(notice.kind.replace("\x00", ""))[:_KIND_LENGTH_MAX],
        order_ids=tuple(order_id for order_id in notice.order_ids if _is_usable(order_id)),
        claims=notice.claims,
        payload=payload,
        received_ms=now_ms(),
    )


def _is_usable(name: str) -> bool:
    """Whether a name can be stored as it is."""
    return _ID.fullmatch(name) is not None and _without_cards(name) == name


def _without_cards(text: str) -> str:
    return hide_card_numbers(text.encode()).decode()
