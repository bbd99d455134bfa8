"""Post notices: the sandbox's webhooks, signed, until somebody has taken them.

At least once, in the order in which things happened unless a fault says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import aiohttp
import msgspec
import structlog

from almoner.payments.gateways.sandbox import notices
from almoner.payments.gateways.sandbox.faults import DELAY_MS, FaultKind
from almoner.payments.gateways.sandbox.gateway import SandboxGateway
from almoner.payments.gateways.sandbox.notices import Queued
from almoner.payments.gateways.sandbox.sign import HEADER, NoticeBody, sign
from almoner.platform.clock import jitter, now_ms, rfc3339
from almoner.platform.metrics import SANDBOX_NOTICES

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 20
_TIMEOUT_S: Final = 10
_PAUSE_MS: Final = 1_000
_PAUSE_MS_MAX: Final = 3_600_000
TRIES_MAX: Final = 20
"""About ten hours."""
_HELD: Final = frozenset({FaultKind.WEBHOOK_LATE, FaultKind.WEBHOOK_OUT_OF_ORDER})


class NoticePoster:
    """Posts what is due to `url`. Several may run; a lease keeps them apart."""

    def __init__(self, gateway: SandboxGateway, url: str, secret: str) -> None:
        self._record = gateway.record
        self._faults = gateway.faults
        self._url = url
        self._secret = secret
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the client. Connects to nobody yet."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S), trust_env=False
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()

    async def post_due(self) -> int:
        """Post what is due; gives how many there were. Raises DatabaseAway."""
        async with self._record.transaction() as connection:
            due = await notices.claim(connection, _AT_ONCE)
        for notice in due:
            await self._work_off(notice)
        return len(due)

    async def forget_old(self) -> int:
        """Remove what was done a week ago."""
        async with self._record.transaction() as connection:
            await notices.forget_old(connection)
        return 0

    async def _work_off(self, notice: Queued) -> None:
        fault, delay_ms = await self._fault_of(notice)
        if fault is FaultKind.WEBHOOK_LOST:
            await self._end(notice, "lost")
        elif fault in _HELD and not notice.drawn:
            async with self._record.transaction() as connection:
                await notices.put_off(connection, notice.notice_id, delay_ms, fault)
            SANDBOX_NOTICES.labels("held").inc()
        elif await self._post(notice, fault):
            await self._end(notice, "told")
        elif notice.tries >= TRIES_MAX:
            log.warning("sandbox_webhook_given_up", event_id=notice.event_id, kind=notice.kind)
            await self._end(notice, "given_up")
        else:
            async with self._record.transaction() as connection:
                await notices.put_off(connection, notice.notice_id, _pause_ms(notice), fault)
            SANDBOX_NOTICES.labels("again").inc()

    async def _fault_of(self, notice: Queued) -> tuple[FaultKind | None, int]:
        """What goes wrong with it: as its nonce says, or as the book says at the first try."""
        if notice.fault is not None:
            kind = FaultKind(notice.fault)
            return kind, DELAY_MS.get(kind, 0)
        if notice.drawn or not notice.order_ids:
            return None, 0
        fault = await self._faults.pick("webhook", notice.order_ids[0])
        return (fault.kind, fault.takes_ms) if fault else (None, 0)

    async def _end(self, notice: Queued, outcome: str) -> None:
        async with self._record.transaction() as connection:
            await notices.end(connection, notice.notice_id, outcome)
            overtaken = FaultKind.WEBHOOK_OUT_OF_ORDER
            await notices.release_overtaken(
                connection, notice.order_ids, overtaken, notice.notice_id
            )
        SANDBOX_NOTICES.labels(outcome).inc()

    async def _post(self, notice: Queued, fault: FaultKind | None) -> bool:
        """Whether it was taken; a forged copy goes first, a repetition behind."""
        if fault is FaultKind.WEBHOOK_FORGED:
            await self._send(notice, lambda body, at_s: sign(f"not {self._secret}", body, at_s))
        taken = await self._send(notice, lambda body, at_s: sign(self._secret, body, at_s))
        if taken and fault is FaultKind.WEBHOOK_TWICE:
            await self._send(notice, lambda body, at_s: sign(self._secret, body, at_s))
        return taken

    async def _send(self, notice: Queued, signed: Callable[[bytes, int], str]) -> bool:
        if self._session is None:
            raise RuntimeError("open() comes first")
        body = msgspec.json.encode(
            NoticeBody(notice.event_id, notice.kind, notice.order_ids, rfc3339(notice.happened_ms))
        )
        headers = {
            "Content-Type": "application/json",
            HEADER: signed(body, now_ms() // 1000),
        }
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return 200 <= response.status <= 299
        except (aiohttp.ClientError, OSError):
            return False


def _pause_ms(notice: Queued) -> int:
    longest = min(_PAUSE_MS * 2**notice.tries, _PAUSE_MS_MAX)
    return int(jitter().uniform(longest / 2, longest))
