"""The gateway's side: what it was asked, what it took, and when its index shows it.

It is the third truth. It obeys request keys as Braintree and Stripe do: the same key is the same
sale, and another key is another one, whatever its order id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from random import Random
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from almoner.money import Money
from almoner.payments.gateway import Charge, Seen
from simulation.places import HERE, REQUEST, Place

if TYPE_CHECKING:
    from simulation.world import World

LANDS_WITHIN_S: Final = 540.0
"""A request that hangs is carried out within so long, or never."""
SHOWN_WITHIN_S: Final = 240.0
"""The index shows a sale so long after it happened at the latest.

Together they stay below the fifteen minutes after which a second miss means "not charged"."""


class Sale(Struct):
    """What became of one request key."""

    transaction_id: str
    order_id: str
    request_key: str
    money: Money
    asked_at: float
    landed_at: float | None = None
    shown_at: float = 0.0
    seen: Seen = Seen.UNKNOWN
    decline_code: str | None = None
    captured_at: float | None = None
    released_at: float | None = None
    reversal_key: str | None = None
    against_the_rules: bool = False
    """Taken after the gateway had said no, or so late that nobody could wait for it."""
    waiting: list[asyncio.Future[Sale]] = []

    @property
    def captured(self) -> bool:
        """Whether the donor's money is with us."""
        return self.captured_at is not None and self.released_at is None

    def captured_then(self, at: float) -> bool:
        """Whether it was with us at that time."""
        if self.captured_at is None or self.captured_at > at:
            return False
        return self.released_at is None or self.released_at > at


class Arrival(Struct, frozen=True):
    """A request for a sale as it reached the gateway."""

    at_ms: int
    order_id: str
    request_key: str
    request: int
    place: Place
    nonce: str


class GatewayIlls(Struct):
    """How likely each ill of one call is; what is left is good."""

    refused: float = 0.0
    lost_request: float = 0.0
    slow: float = 0.0
    lost_answer: float = 0.0
    late_landing: float = 0.0
    in_flight: float = 0.0
    duplicate: float = 0.0
    declined: float = 0.05
    index_lag: float = 0.0
    look_up_ill: float = 0.0
    reverse_ill: float = 0.0
    late_success: float = 0.0
    late_decline: float = 0.0
    very_late: float = 0.0
    webhook_lost: float = 0.0
    webhook_late: float = 0.0
    webhook_twice: float = 0.0
    webhook_forged: float = 0.0


class Bank:
    """One gateway. `down` refuses every connection."""

    def __init__(self, world: World, ills: GatewayIlls) -> None:
        self.world = world
        self.ills = ills
        self.down = False
        self.look_up_down = False
        self.cut: dict[Place, None] = {}
        self.sales: dict[str, Sale] = {}
        self.reversals_ill = 0
        self.pending = 0
        """Things that will still happen by themselves."""
        self.notify: Callable[[Sale, bool], None] = lambda sale, surely: None
        self.arrivals: list[Arrival] = []
        self._nonces: dict[str, str] = {}
        self._random = world.random("gateway")
        self._place = Place("gateway")
        self._context: Context = self._place.context()

    def draw(self) -> float:
        """A random number of the gateway's own."""
        return self._random.random()

    @property
    def random(self) -> Random:
        """More random numbers of the gateway's own."""
        return self._random

    def at(self, order_id: str) -> list[Sale]:
        """What was really done under an order id, oldest first."""
        sales = [sale for sale in self.sales.values() if sale.order_id == order_id]
        return [sale for sale in sales if sale.landed_at is not None]

    def shown(self, order_id: str) -> Sale | None:
        """What a look-up finds now."""
        now = self.world.loop.time()
        for sale in self.at(order_id):
            if sale.shown_at <= now:
                return sale
        return None

    def arrive(self, charge: Charge, *, lands_in_s: float) -> Sale:
        """A request has come in; it is carried out later, whether or not anybody still waits."""
        now = self.world.loop.time()
        self.arrivals.append(
            Arrival(
                self.world.now_ms,
                charge.order_id,
                charge.request_key,
                REQUEST.get(),
                HERE.get(),
                charge.instrument.nonce,
            )
        )
        self.world.note("gateway.arrival", charge.order_id)
        sale = self.sales.get(charge.request_key)
        if sale is None:
            sale = Sale(
                f"tx{len(self.sales) + 1}",
                charge.order_id,
                charge.request_key,
                charge.money,
                now,
                waiting=[],
            )
            self.sales[charge.request_key] = sale
            self._later(lands_in_s, self._land, sale, charge.instrument.nonce)
        return sale

    async def outcome(self, sale: Sale) -> Sale:
        """Wait until it is carried out."""
        if sale.landed_at is None:
            future: asyncio.Future[Sale] = asyncio.get_running_loop().create_future()
            sale.waiting.append(future)
            await future
        return sale

    def _land(self, sale: Sale, nonce: str) -> None:
        now = self.world.loop.time()
        sale.landed_at = sale.shown_at = now
        if not self.world.healed and self.draw() < self.ills.index_lag:
            sale.shown_at = now + self.draw() * SHOWN_WITHIN_S
            self.world.fault("gateway_index_lag", sale.order_id)
        if self._nonces.setdefault(nonce, sale.request_key) != sale.request_key:
            sale.seen, sale.decline_code = Seen.DECLINED, "payment_details_used"
        elif self.draw() < self.ills.declined:
            sale.seen, sale.decline_code = Seen.DECLINED, "insufficient_funds"
            self._maybe_change_its_mind(sale)
        else:
            self._capture(sale)
            self._maybe_fail_later(sale)
        self.world.note("gateway.landed", sale.order_id, sale.transaction_id, str(sale.seen))
        for future in sale.waiting:
            if not future.done():
                future.set_result(sale)
        sale.waiting = []

    def _capture(self, sale: Sale, *, surely: bool = False) -> None:
        now = self.world.loop.time()
        sale.seen, sale.captured_at = Seen.SUBMITTED, now
        if now > sale.asked_at + LANDS_WITHIN_S + 1:
            sale.against_the_rules = True
        self.notify(sale, surely)

    def _maybe_change_its_mind(self, sale: Sale) -> None:
        """A decline that was none. Nobody asks about those again, so its webhook must come."""
        if self.draw() < self.ills.late_success:
            self.world.fault("gateway_late_success", sale.order_id)
            self._later(self.draw() ** 2 * 20_000, self._change_its_mind, sale)

    def _change_its_mind(self, sale: Sale) -> None:
        sale.against_the_rules = True
        self._capture(sale, surely=True)

    def _maybe_fail_later(self, sale: Sale) -> None:
        """A capture that is never paid out. The webhook says so; without it the settlement does."""
        if self.draw() < self.ills.late_decline:
            self.world.fault("gateway_late_decline", sale.order_id)
            self._later(1 + self.draw() ** 2 * 20_000, self._fail, sale)

    def _fail(self, sale: Sale) -> None:
        if sale.released_at is None:
            sale.seen, sale.released_at = Seen.SETTLEMENT_FAILED, self.world.loop.time()
            self.notify(sale, True)

    def reverse(self, transaction_id: str, request_key: str) -> bool:
        """Give a sale back; the same key does it once. Whether it is given back by this key."""
        for sale in self.sales.values():
            if sale.transaction_id == transaction_id and sale.captured_at is not None:
                if sale.released_at is None:
                    sale.seen, sale.released_at = Seen.VOIDED, self.world.loop.time()
                    sale.reversal_key = request_key
                    self.world.note("gateway.reversed", sale.order_id)
                    self.notify(sale, False)
                return sale.reversal_key == request_key
        return False

    def _later(self, in_s: float, what: Callable[..., None], *arguments: object) -> None:
        self.pending += 1

        def happen() -> None:
            self.pending -= 1
            what(*arguments)

        self.world.loop.call_later(in_s, happen, context=self._context.copy())
