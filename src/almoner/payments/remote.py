"""Charge through the payments role, so that this process needs no gateway credentials."""

from __future__ import annotations

import aiohttp
import msgspec

from almoner.payments.gateway import Charge, Observation, Seen


class RemoteCharging:
    """The other adapter of `Charging`: `POST /payment/process` at `url`."""

    def __init__(self, url: str, service_token: str, *, deadline_ms: int) -> None:
        self._url = url.rstrip("/") + "/payment/process"
        self._headers = {"Authorization": f"Bearer {service_token}"}
        self._timeout = aiohttp.ClientTimeout(total=deadline_ms / 1000 + 5, sock_connect=3)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the client. Connects to nobody yet."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=self._timeout, trust_env=False
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()

    async def charge(self, gateway_name: str, charge: Charge) -> Observation:
        """See `Charging.charge`. Only a connection that never stood proves NOT_SENT."""
        if self._session is None:
            raise RuntimeError("open() comes first")
        del gateway_name  # the attempt's own row names it
        body = {
            "attempt_id": charge.attempt_id,
            "amount_minor": charge.money.amount_minor,
            "currency": charge.money.currency,
            "payment_method_nonce": charge.instrument.nonce,
        }
        try:
            async with self._session.post(
                self._url,
                data=msgspec.json.encode(body),
                headers={**self._headers, "Content-Type": "application/json"},
                allow_redirects=False,
            ) as response:
                return _read(response.status, await response.read())
        except aiohttp.ClientConnectorError:
            return Observation(Seen.NOT_SENT, gateway_code="payments_unreachable")
        except (TimeoutError, aiohttp.ClientError, OSError):
            return Observation(Seen.UNKNOWN, gateway_code="payments_answer_lost")


def _read(status: int, body: bytes) -> Observation:
    """An answer of the payments role. What it refuses, it refuses before anything is sent."""
    if status == 200:
        try:
            return msgspec.json.decode(body, type=Observation)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Observation(Seen.UNKNOWN, gateway_code="payments_answer_unreadable")
    if status in (400, 401, 403, 404, 422):
        return Observation(Seen.NOT_SENT, gateway_code=f"payments_refused_{status}")
    return Observation(Seen.UNKNOWN, gateway_code=f"payments_{status}")
