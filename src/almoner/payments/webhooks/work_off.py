"""Work off webhooks: make the attempts that they name due for a look-up.

A webhook never sets a state. It may be late, come twice, come before or after others of the same
charge, or be about a charge that we do not know: looking again is right, and harmless, each time.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import structlog

from almoner.payments.attempt import AttemptRow, AttemptState
from almoner.payments.due.queries import make_due_again
from almoner.payments.gateway import Seen
from almoner.payments.moves import path_of
from almoner.payments.queries import read_attempts
from almoner.payments.webhooks import queries
from almoner.payments.webhooks.webhook import Waiting
from almoner.platform.clock import jitter, now_ms
from almoner.platform.db import Database
from almoner.platform.errors import Unavailable
from almoner.platform.metrics import WEBHOOKS

log = structlog.get_logger(__name__)

TRIES_MAX: Final = 10
KEPT_DAYS: Final = 30

_CLAIM_MS: Final = 60_000
_BUSY_MS: Final = 15_000
_AGAIN_S: Final = (5, 15, 60, 300, 900, 3_600)
_DELETE_MAX: Final = 1_000
_NOT_ANSWERED: Final = frozenset({AttemptState.PREPARED, AttemptState.DISPATCHED})


class WebhookWork:
    """Works off what was received. Several may run; each webhook is claimed by one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sweep(self, limit: int = 100) -> int:
        """Work off what is due; gives how many there were."""
        async with self._database.transaction() as connection:
            claimed = await queries.claim(connection, now_ms() + _CLAIM_MS, limit)
        for webhook in claimed:
            try:
                await self._work_off(webhook)
            except Unavailable:
                raise  # nothing is wrong with the webhook: its claim runs out and it comes again
            except Exception:
                log.exception("webhook_failed", webhook_id=str(webhook.webhook_id))
                await self._put_off(webhook)
        return len(claimed)

    async def forget_old(self) -> int:
        """Delete what was worked off a month ago; gives how many."""
        async with self._database.connection() as connection:
            return await queries.delete_old(connection, KEPT_DAYS, _DELETE_MAX)

    async def _work_off(self, webhook: Waiting) -> None:
        """All in one transaction: what is due and that the webhook is done with."""
        order_ids = {id_ for text in webhook.order_ids if (id_ := _attempt_id(text)) is not None}
        async with self._database.transaction() as connection:
            known = await read_attempts(connection, list(order_ids)) if order_ids else []
            known = [attempt for attempt in known if attempt.gateway == webhook.gateway]
            wanted = [attempt for attempt in known if _worth_a_look(attempt, webhook.claims)]
            busy = [attempt for attempt in wanted if _is_busy(attempt)]
            free = [(a.attempt_id, a.donor_id) for a in wanted if not _is_busy(a)]
            if free:
                await make_due_again(connection, free)
            if busy:
                await queries.wait_longer(connection, webhook.webhook_id, now_ms() + _BUSY_MS)
                return
            unknown = len(set(webhook.order_ids)) - len(known)
            await queries.finish(connection, webhook.webhook_id, unknown)
        WEBHOOKS.labels(webhook.gateway, "worked_off").inc()
        if unknown:
            WEBHOOKS.labels(webhook.gateway, "unknown_order").inc(unknown)
            log.warning(
                "webhook_names_unknown_orders",
                webhook_id=str(webhook.webhook_id),
                count=unknown,
            )

    async def _put_off(self, webhook: Waiting) -> None:
        parked = webhook.tries >= TRIES_MAX
        wait_s = _AGAIN_S[min(webhook.tries, len(_AGAIN_S)) - 1]
        next_ms = now_ms() + int(wait_s * 1000 * (1 + jitter().random() / 4))
        async with self._database.connection() as connection:
            await queries.put_off(connection, webhook.webhook_id, next_ms, parked=parked)
        if parked:
            WEBHOOKS.labels(webhook.gateway, "parked").inc()
            log.error("webhook_parked", webhook_id=str(webhook.webhook_id), tries=webhook.tries)


def _attempt_id(order_id: str) -> UUID | None:
    """An order id is an attempt's id as we write it; anything else is none of ours."""
    try:
        attempt_id = UUID(hex=order_id)
    except ValueError:
        return None
    return attempt_id if attempt_id.hex == order_id else None


def _worth_a_look(attempt: AttemptRow, claims: Seen | None) -> bool:
    """Whether a look could change anything, were the claim true. Without a claim it could."""
    return claims is None or path_of(attempt.state, claims) != ()


def _is_busy(attempt: AttemptRow) -> bool:
    """Under way, or being looked at since before this webhook: a look must come after that."""
    looking = attempt.looked_ms is not None and attempt.looked_ms > now_ms()
    return attempt.state in _NOT_ANSWERED or looking
