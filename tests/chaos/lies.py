"""Lies: webhooks that say what is not so, some of them well signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import time
from uuid import uuid4

import httpx
import psycopg
from msgspec import Struct

from support.serving import Serving

SECRET = "the secret of a campaign's webhooks"
HEADER = "Almoner-Sandbox-Signature"
AT_ONCE = 4

UNTRUE = {
    "SUBMITTED": "charge.voided",
    "SETTLED": "charge.settlement_failed",
    "DECLINED": "charge.captured",
    "NOT_SENT": "charge.captured",
    "NOT_CHARGED": "charge.settled",
    "UNKNOWN": "charge.captured",
}
"""What is said of an attempt in a state: the opposite."""


class Lie(Struct, frozen=True):
    """One webhook that was posted, and how it was answered."""

    event_id: str
    order_id: str
    kind: str
    signed: bool
    answered: int


class Liar:
    """Posts webhooks about real gifts: signed ones that are untrue, and forged ones."""

    def __init__(self, running: Serving, seed: int) -> None:
        self._running = running
        self._random = random.Random(seed)
        self.told: list[Lie] = []

    async def signed(self) -> bool:
        """The gateway's own signature under what is not so."""
        return await self._tell(SECRET)

    async def forged(self) -> bool:
        """Somebody else's signature."""
        return await self._tell("somebody else's secret")

    async def _tell(self, secret: str) -> bool:
        try:
            orders = self._orders()
        except psycopg.OperationalError:
            return False
        said = [await self._post(order_id, kind, secret) for order_id, kind in orders]
        return any(said)

    def _orders(self) -> list[tuple[str, str]]:
        """Some of the newest attempts, and the opposite of what is so."""
        with psycopg.connect(self._running.superuser_url(), connect_timeout=5) as connection:
            rows = connection.execute(
                "SELECT attempt_id, state FROM payment_attempt WHERE state = ANY(%s) "
                "ORDER BY dispatched_at DESC LIMIT 200",
                (list(UNTRUE),),
            ).fetchall()
        chosen = self._random.sample(rows, min(AT_ONCE, len(rows)))
        return [(attempt_id.hex, UNTRUE[state]) for attempt_id, state in chosen]

    async def _post(self, order_id: str, kind: str, secret: str) -> bool:
        """Whether it was answered as it should be, by anybody at all."""
        event_id = f"ev_lie_{uuid4().hex}"
        body = json.dumps(
            {
                "id": event_id,
                "kind": kind,
                "order_ids": [order_id],
                "happened_at": "2026-01-01T00:00:00Z",
            }
        ).encode()
        at = str(int(time.time()))
        mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {HEADER: f"t={at},v1={mac}", "Content-Type": "application/json"}
        try:
            async with httpx.AsyncClient(base_url=self._running.url, trust_env=False) as client:
                answer = await client.post(
                    "/webhooks/sandbox", content=body, headers=headers, timeout=10
                )
        except httpx.TransportError:
            return False
        signed = secret == SECRET
        self.told.append(Lie(event_id, order_id, kind, signed, answer.status_code))
        return answer.status_code == (204 if signed else 400)
