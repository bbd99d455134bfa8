"""Charge through the payments role, so that this process needs no gateway credentials.

The rules of sending hold once: towards the gateway in the payments role, and here only for the way
to that role. What the role observed is passed on as it is.
"""

from __future__ import annotations

from typing import Final

import aiohttp
import msgspec
from msgspec import structs

from almoner.payments.classify import TRANSPORT, Signal
from almoner.payments.gateway import Charge, Observation, Seen
from almoner.payments.send import Sender, SendRules

_REFUSALS: Final = frozenset({400, 401, 403, 404, 422})
_OURS: Final = "payments_"
"""With this begins the code of what failed between the two services, and of nothing else."""
_LONGER_MS: Final = 5_000


class RemoteCharging:
    """The other adapter of `Charging`: `POST /payment/process` at `url`."""

    def __init__(self, url: str, service_token: str, rules: SendRules) -> None:
        """`rules` are those of the payments role, which must be given the time they allow."""
        self._url = url.rstrip("/") + "/payment/process"
        self._headers = {"Authorization": f"Bearer {service_token}"}
        deadline_ms = rules.deadline_ms + _LONGER_MS
        self._sender = Sender(
            "payments",
            self._post,
            structs.replace(rules, deadline_ms=deadline_ms),
            of_this_way=lambda observation: (observation.gateway_code or "").startswith(_OURS),
        )
        self._timeout = aiohttp.ClientTimeout(total=deadline_ms / 1000, sock_connect=3)
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
        del gateway_name  # the attempt's own row names it
        return await self._sender.send(charge)

    async def _post(self, charge: Charge) -> Observation:
        if self._session is None:
            raise RuntimeError("open() comes first")
        body = {
            "attempt_id": charge.attempt_id,
            "amount_minor": charge.money.amount_minor,
            "currency": charge.money.currency,
            "payment_method_nonce": charge.instrument.nonce,
            "payee_id": charge.reference.payee_id if charge.reference else None,
            "check_harder": charge.check_harder,
        }
        try:
            async with self._session.post(
                self._url,
                data=msgspec.json.encode(body),
                headers={**self._headers, "Content-Type": "application/json"},
                allow_redirects=False,
            ) as response:
                return _read(response.status, await response.read())
        except (aiohttp.ClientError, OSError) as error:
            if TRANSPORT.of(error) is Signal.NOT_SENT:
                return Observation(Seen.NOT_SENT, gateway_code="payments_unreachable")
            return Observation(Seen.UNKNOWN, gateway_code="payments_answer_lost")


def _read(status: int, body: bytes) -> Observation:
    """An answer of the payments role. What it refuses, it refuses before anything is sent."""
    if status == 200:
        try:
            return msgspec.json.decode(body, type=Observation)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Observation(Seen.UNKNOWN, gateway_code="payments_answer_unreadable")
    if status in _REFUSALS:
        return Observation(Seen.NOT_SENT, gateway_code=f"{_OURS}refused_{status}", our_fault=True)
    return Observation(Seen.UNKNOWN, gateway_code=f"{_OURS}{status}")
