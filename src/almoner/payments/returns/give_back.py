"""Give back: ask the gateway for what was promised, until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

import structlog

from almoner.payments import queries as attempt_queries
from almoner.payments.attempt import AttemptState
from almoner.payments.due.lease import LEASE_MS
from almoner.payments.gateway import Observation, Reversal, Reverses, Seen, order_id_of
from almoner.payments.guard import Guard, GuardRules, Refused
from almoner.payments.outcome import Outcome
from almoner.payments.resolve import Follow, Looking
from almoner.payments.returns import queries
from almoner.payments.returns.money_return import MoneyReturn
from almoner.platform.clock import jitter, now_ms
from almoner.platform.db import Database
from almoner.platform.ids import new_id
from almoner.platform.metrics import LATE_MONEY

log = structlog.get_logger(__name__)

_AGAIN_S: Final = (10, 30, 60, 300, 900, 3_600)


class Reversing(Protocol):
    """Who asks gateways to give money back."""

    async def reverse(self, gateway_name: str, back: MoneyReturn) -> Reversal:
        """Ask for it once. Never raises for the outside world."""
        ...


class LocalReversing:
    """Asks in this process, of gateways that can give back, inside a deadline of our own."""

    def __init__(self, gateways: Mapping[str, Reverses], *, deadline_ms: int) -> None:
        self._gateways = gateways
        self._deadline_s = deadline_ms / 1000
        rules = GuardRules(in_flight_max=8, wait_ms=deadline_ms)
        self._guards = {name: Guard(name, "reverse", rules) for name in gateways}

    async def reverse(self, gateway_name: str, back: MoneyReturn) -> Reversal:
        """See `Reversing.reverse`."""
        gateway = self._gateways.get(gateway_name)
        if gateway is None:
            return Reversal(done=False, gateway_code="gateway_not_configured")
        order_id = order_id_of(back.attempt_id)
        try:
            return await self._guards[gateway_name].call(
                lambda: gateway.reverse(
                    order_id, back.gateway_transaction_id, back.money, back.request_key
                ),
                asyncio.get_running_loop().time() + self._deadline_s,
                lambda reversal: not reversal.done,
            )
        except Refused as refused:
            return Reversal(done=False, gateway_code=refused.code)
        except TimeoutError:
            return Reversal(done=False, gateway_code="deadline")
        except Exception as error:
            log.exception("reverse_failed", gateway=gateway_name, error=type(error).__name__)
            return Reversal(done=False, gateway_code=type(error).__name__)


class GivingBack:
    """Works off what was promised. Several may run."""

    def __init__(
        self, database: Database, reversing: Reversing, looking: Looking, follow: Follow
    ) -> None:
        self._database = database
        self._reversing = reversing
        self._looking = looking
        self._follow = follow

    async def sweep(self, limit: int = 20) -> int:
        """Ask for what is due; gives how many there were."""
        async with self._database.transaction() as connection:
            due = await queries.lease(connection, now_ms() + LEASE_MS, limit)
        await asyncio.gather(*(self._give_back(back) for back in due))
        return len(due)

    async def _give_back(self, back: MoneyReturn) -> None:
        """One transaction. A fault in it must not keep the others from being given back."""
        try:
            await self._ask(back)
        except Exception:
            log.exception("give_back_failed", attempt_id=str(back.attempt_id))

    async def _ask(self, back: MoneyReturn) -> None:
        started_ms = now_ms()
        reversal = await self._reversing.reverse(back.gateway, back)
        if not reversal.done:
            reversal = await self._gone_already(back) or reversal
        if not reversal.done or reversal.kind is None:
            await self._later(back, reversal.gateway_code)
            return
        await self._settle(back, reversal, started_ms)
        async with self._database.connection() as connection:
            await queries.finish(connection, back.return_id, reversal.kind, now_ms())
        LATE_MONEY.labels("given_back").inc()
        log.warning("money_given_back", attempt_id=str(back.attempt_id), reason=back.reason)

    async def _gone_already(self, back: MoneyReturn) -> Reversal | None:
        """Proof that somebody else gave it back, or that it was never paid in the end."""
        seen = await self._looking.look_up(back.gateway, order_id_of(back.attempt_id))
        if seen is None or not _is_about(back, seen):
            return None
        if seen.seen not in (Seen.VOIDED, Seen.SETTLEMENT_FAILED):
            return None
        return Reversal(done=True, kind="void", gateway_code=f"seen_{seen.seen.lower()}")

    async def _later(self, back: MoneyReturn, code: str | None) -> None:
        wait_s = _AGAIN_S[min(back.tries, len(_AGAIN_S)) - 1]
        next_ms = now_ms() + int(wait_s * 1000 * (1 + jitter().random() / 4))
        async with self._database.connection() as connection:
            await queries.put_off(connection, back.return_id, next_ms)
        log.warning(
            "money_not_given_back_yet",
            attempt_id=str(back.attempt_id),
            tries=back.tries,
            code=code,
        )

    async def _settle(self, back: MoneyReturn, reversal: Reversal, started_ms: int) -> None:
        """Write down what the gateway did, with the move that it makes."""
        async with self._database.connection() as connection:
            rows = await attempt_queries.read_attempts(connection, [back.attempt_id])
        attempt = rows[0]
        own = attempt.gateway_transaction_id == back.gateway_transaction_id
        late = own and attempt.state is AttemptState.LATE_SUCCESS
        if own and not late:
            return  # whoever asked before us wrote it down
        at_ms = now_ms()
        outcome = Outcome(
            attempt_id=attempt.attempt_id,
            donor_id=attempt.donor_id,
            version=attempt.version,
            lease_epoch=attempt.lease_epoch,
            state=AttemptState.VOIDED if late else attempt.state,
            gateway_transaction_id=back.gateway_transaction_id,
            decline_code="money_returned" if late else attempt.decline_code,
            operation_id=new_id(),
            operation_kind=reversal.kind or "void",
            request_key=back.request_key,
            gateway_code=reversal.gateway_code,
            started_ms=started_ms,
            finished_ms=at_ms,
            next_check_ms=None if late else attempt.next_check_ms,
            checks=attempt.checks,
            misses=attempt.misses,
        )
        now = await self._follow(attempt, [outcome])
        if now.version <= outcome.version:
            raise RuntimeError("the attempt did not move; it is tried again")


def _is_about(back: MoneyReturn, seen: Observation) -> bool:
    return seen.gateway_transaction_id == back.gateway_transaction_id
