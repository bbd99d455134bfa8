"""Random programs of statements, in a small universe so that they collide all the time."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final
from uuid import UUID

from msgspec import structs

from almoner.charities.queries import TotalChange
from almoner.donations.answer import Answer
from almoner.donations.gift import Gift, Intent
from almoner.donations.queries import Drained
from almoner.donors.donor import Donor
from almoner.events.event import Event
from almoner.events.queries import Delivery, Failure
from almoner.ledger.transfer import Transfer
from almoner.money import Money
from almoner.payments.attempt import Attempt, AttemptRow, AttemptState
from almoner.payments.gateway import Instrument, Seen
from almoner.payments.outcome import Outcome
from almoner.payments.returns.money_return import MoneyReturn
from almoner.payments.webhooks.webhook import Webhook
from simulation.donors import CHARITIES
from simulation.sides import Failed, Session, Side
from simulation.store.shards import shard_of

MINUTE_MS: Final = 60_000
_STATES: Final = (
    AttemptState.UNKNOWN,
    AttemptState.SUBMITTED,
    AttemptState.DECLINED,
    AttemptState.NOT_SENT,
    AttemptState.NOT_CHARGED,
    AttemptState.SETTLED,
    AttemptState.LATE_SUCCESS,
    AttemptState.DISPATCHED,
)


def uid(kind: int, number: int) -> UUID:
    """An id that is the same on both sides."""
    return UUID(int=(kind << 64) + number + 1)


class Maker:
    """Makes what statements take."""

    def __init__(self, random: Random, base_ms: int) -> None:
        self.random = random
        self.base_ms = base_ms
        self._fresh = 0

    def fresh(self, kind: int) -> UUID:
        """An id that was not there before."""
        self._fresh += 1
        return uid(kind, 1000 + self._fresh)

    def number(self, count: int) -> int:
        """One of a few."""
        return self.random.randrange(count)

    def ago_ms(self) -> int:
        """Some minutes ago; never so that it matters whether a second has passed."""
        return self.base_ms - self.random.choice((0, 3, 8, 15, 60, 20_000)) * MINUTE_MS

    def donor_id(self) -> UUID:
        return uid(1, self.number(3))

    def donation_id(self) -> UUID:
        return uid(2, self.number(4))

    def donor(self, donor_id: UUID) -> Donor:
        name = f"d{donor_id.int % 97}"
        return Donor(donor_id, f"{name}@Example.org", f"{name}@example.org", "Do", name, "en")

    def money(self) -> Money:
        return Money(self.random.choice((500, 700)), self.random.choice(("USD", "USD", "EUR")))

    def attempt(self, donation_id: UUID) -> Attempt:
        number = self.number(2) + 1
        return Attempt(
            attempt_id=uid(3, donation_id.int % 1000 * 10 + number),
            donor_id=uid(1, donation_id.int % 3),
            payable_id=donation_id,
            number=number,
            gateway="sandbox",
            money=self.money(),
            lease_owner=uid(4, self.number(3)),
            dispatched_ms=self.ago_ms(),
            merchant_account=self.random.choice((None, "m1")),
        )

    def intent(self) -> Intent:
        donation_id = self.donation_id()
        donor = self.donor(uid(1, donation_id.int % 3))
        gift = Gift(
            donor.first_name,
            donor.last_name,
            donor.email,
            donor.email_normalised,
            "en",
            self.random.choice(CHARITIES),
            self.money(),
            Instrument("nonce"),
            confirm_duplicate=False,
        )
        return Intent(
            donation_id,
            self.fresh(5),
            bytes([self.number(3)]) * 32,
            donor,
            self.attempt(donation_id),
            gift,
            self.ago_ms(),
        )

    def intents(self) -> list[Intent]:
        """One or two; sometimes with the same key."""
        return [self.intent() for _ in range(1 + self.number(2))]

    def outcome(self) -> Outcome:
        attempt = self.attempt(self.donation_id())
        state = self.random.choice(_STATES)
        return Outcome(
            attempt_id=attempt.attempt_id,
            donor_id=attempt.donor_id,
            version=self.number(4) + 1,
            lease_epoch=self.number(2) + 1,
            state=state,
            gateway_transaction_id=self.random.choice((None, "tx1", "tx2")),
            decline_code=self.random.choice((None, "card_declined")),
            operation_id=self.fresh(6),
            operation_kind=self.random.choice(("sale", "look_up", "wrong")),
            request_key="key",
            gateway_code=self.random.choice((None, "500")),
            started_ms=self.base_ms,
            finished_ms=self.ago_ms(),
            next_check_ms=self.random.choice((None, self.ago_ms(), self.base_ms + 30 * MINUTE_MS)),
            checks=self.number(5),
            misses=self.number(2),
        )

    def outcomes(self) -> list[Outcome]:
        """One or two, of different attempts."""
        found = {o.attempt_id: o for o in (self.outcome() for _ in range(1 + self.number(2)))}
        return list(found.values())

    def answer(self) -> Answer:
        return Answer(self.random.choice((201, 402)), b"{%d}" % self.number(9), self.donation_id())

    def transfer(self) -> Transfer:
        number = self.number(6)
        return Transfer(
            uid(7, number),
            uid(1, number % 3),
            "suspense",
            "bank:usd",
            Money(self.random.choice((500, 0, -5)), "USD"),
            "capture",
            uid(3, number),
            self.ago_ms(),
        )

    def event(self) -> Event:
        number = self.number(8)
        return Event(
            uid(8, number),
            uid(1, number % 3),
            uid(2, number % 4),
            "donation.paid",
            {"n": number},
            self.ago_ms(),
        )

    def drained(self) -> Drained:
        result = self.random.choice(("begun", "there_before", "later"))
        return Drained(self.number(4), self.donation_id(), uid(4, self.number(3)), result)

    def withdrawn(self) -> Attempt:
        attempt = self.attempt(self.donation_id())
        return structs.replace(attempt, lease_owner=uid(4, self.number(3)))

    def read_attempt(self) -> AttemptRow:
        attempt = self.attempt(self.donation_id())
        return AttemptRow(
            attempt.attempt_id,
            attempt.donor_id,
            attempt.payable_id,
            attempt.number,
            attempt.gateway,
            self.random.choice((*_STATES, AttemptState.PREPARED, AttemptState.DISPATCHED)),
            attempt.money,
            self.number(3) + 1,
            attempt.lease_owner,
            1,
            0,
            None,
            None,
            None,
            0,
            0,
            None,
        )

    def attempt_key(self) -> tuple[UUID, UUID]:
        attempt = self.attempt(self.donation_id())
        return attempt.attempt_id, attempt.donor_id

    def lease(self) -> tuple[UUID, int, int]:
        return uid(4, self.number(3)), self.base_ms + 20 * MINUTE_MS, 9

    def refusing(self) -> list[str]:
        return self.random.choice(([], [], ["other"], ["sandbox"]))

    def done_kind(self) -> str:
        return self.random.choice(("void", "refund", "wrong"))

    def money_return(self) -> MoneyReturn:
        attempt_id, donor_id = self.attempt_key()
        number = self.number(4)
        return MoneyReturn(
            uid(10, number),
            attempt_id,
            donor_id,
            "sandbox",
            self.random.choice(("tx1", "tx2")),
            self.money(),
            self.random.choice(("told_not_charged", "given_again")),
            f"key{self.number(6)}",
            self.ago_ms(),
        )

    def webhook(self) -> Webhook:
        number = self.number(6)
        return Webhook(
            uid(11, number),
            "sandbox",
            f"event{number}",
            "captured",
            (uid(3, number).hex, "unknown"),
            self.random.choice((None, Seen.SUBMITTED)),
            b"payload",
            self.ago_ms(),
        )

    def total_change(self, charity_id: int) -> TotalChange:
        return TotalChange(charity_id, "USD", self.number(500) - 100, 1)

    def consumer(self) -> str:
        return self.random.choice(("log", "totals"))

    def shard(self) -> int:
        """The partition of one of the donors."""
        return shard_of(self.donor_id())

    def delivery(self) -> Delivery:
        return Delivery(self.event(), 0)

    def failure(self) -> Failure:
        parked = self.random.choice((None, self.base_ms))
        return Failure(self.delivery(), 2, self.ago_ms(), parked, "ValueError")

    def payable(self) -> tuple[UUID, UUID]:
        donation_id = self.donation_id()
        return donation_id, uid(1, donation_id.int % 3)


Arguments = Callable[[Maker], tuple[Any, ...]]
STATEMENTS: Final[dict[str, Arguments]] = {
    "donations.insert_records": lambda m: (m.intents(),),
    "donations.delete_records": lambda m: (m.intents(),),
    "donations.read_records": lambda m: ([m.donation_id(), m.donation_id()],),
    "donations.insert_donations": lambda m: (m.intents(),),
    "donations.lock_looks": lambda m: ([m.number(3), m.number(3)],),
    "donations.alike": lambda m: (m.intents(),),
    "donations.store_responses": lambda m: ([m.answer()],),
    "donations.read_facts": lambda m: (m.donation_id(),),
    "donations.read_many_facts": lambda m: ([m.donation_id(), m.donation_id()],),
    "donors.insert_new": lambda m: ([m.donor(m.donor_id()), m.donor(m.donor_id())],),
    "donations.probe_commit": lambda _: (),
    "donations.lock_segment": lambda m: (uid(9, m.number(2)),),
    "donations.read_drained": lambda m: (uid(9, m.number(2)), [1, 2, 3]),
    "donations.insert_drained": lambda m: (uid(9, m.number(2)), [m.drained()]),
    "payments.insert_prepared": lambda m: ([m.attempt(m.donation_id())],),
    "payments.abandon_prepared": lambda m: (
        [(m.attempt(m.donation_id()), "payment_details_expired")],
        m.ago_ms(),
    ),
    "payments.insert_dispatched": lambda m: ([m.attempt(m.donation_id())], 70_000),
    "payments.move_attempts": lambda m: (m.outcomes(),),
    "payments.insert_operations": lambda m: (m.outcomes(),),
    "payments.read_attempts": lambda m: ([m.attempt(m.donation_id()).attempt_id],),
    "payments.latest_attempts": lambda m: ([m.payable(), m.payable()],),
    "payments.withdraw_unsent": lambda m: ([m.withdrawn()], [m.fresh(6)], m.base_ms),
    "payments.read_operations": lambda m: (m.attempt(m.donation_id()).attempt_id,),
    "payments.attempts_for": lambda m: m.payable(),
    "payments.lock_unchanged": lambda m: (m.read_attempt(),),
    "payments.due.lease_in_doubt": lambda m: (*m.lease(), m.refusing()),
    "payments.due.lease_look_again": lambda m: (*m.lease(), m.refusing()),
    "payments.due.lease_late": lambda m: m.lease(),
    "payments.due.lease_prepared": lambda m: m.lease(),
    "payments.due.give_time_to_prepared": lambda m: (m.ago_ms(),),
    "payments.due.make_due": lambda m: ([m.attempt_key()], {"gap_ms": 2 * MINUTE_MS}),
    "payments.due.make_due_again": lambda m: ([m.attempt_key(), m.attempt_key()],),
    "payments.due.take_over": lambda m: m.attempt_key(),
    "payments.returns.insert": lambda m: (m.money_return(),),
    "payments.returns.count_done": lambda m: (m.attempt_key()[0],),
    "payments.returns.is_promised": lambda m: (m.attempt_key()[0],),
    "payments.returns.lease": lambda m: (m.base_ms + 20 * MINUTE_MS, 9),
    "payments.returns.put_off": lambda m: (uid(10, m.number(4)), m.ago_ms()),
    "payments.returns.finish": lambda m: (uid(10, m.number(4)), m.done_kind(), m.ago_ms()),
    "payments.webhooks.insert": lambda m: ([m.webhook(), m.webhook()],),
    "payments.webhooks.claim": lambda m: (m.base_ms + 20 * MINUTE_MS, 9),
    "payments.webhooks.finish": lambda m: (uid(11, m.number(6)), m.number(3)),
    "payments.webhooks.wait_longer": lambda m: (uid(11, m.number(6)), m.ago_ms()),
    "payments.webhooks.put_off": lambda m: (
        uid(11, m.number(6)),
        m.ago_ms(),
        {"parked": m.number(2) == 0},
    ),
    "charities.add_to_totals": lambda m: ([m.total_change(101), m.total_change(102)],),
    "donations.read_told": lambda m: (m.donation_id(),),
    "donations.given_again": lambda m: m.payable(),
    "events.subscriptions": lambda _: (),
    "events.lock_all_shards": lambda _: (),
    "events.subscribe": lambda m: (m.consumer(), ["donation.paid"], m.base_ms),
    "events.deliver_the_past": lambda m: (m.consumer(), ["donation.paid"], m.ago_ms()),
    "events.shards_with_unpublished": lambda _: (),
    "events.lock_shard": lambda m: (m.number(8),),
    "events.publish": lambda m: (m.shard(), 3, m.ago_ms()),
    "events.shards_with_due": lambda m: (m.consumer(), m.ago_ms()),
    "events.lock_deliveries": lambda m: (m.consumer(), m.number(8)),
    "events.due": lambda m: (m.shard(), m.consumer(), m.ago_ms(), 2),
    "events.insert_inbox": lambda m: (m.consumer(), [m.event(), m.event()], m.base_ms),
    "events.finish": lambda m: (m.consumer(), [m.delivery()]),
    "events.postpone": lambda m: (m.consumer(), [m.failure()]),
    "ledger.insert_transfers": lambda m: ([m.transfer()],),
    "events.insert": lambda m: ([m.event()],),
}
"""Every statement with a twin, and what to call it with."""

WRITES_FIRST: Final = (
    "donors.insert_new",
    "donations.insert_records",
    "donations.insert_donations",
    "payments.insert_dispatched",
)


def program(seed: int, length: int = 120) -> Callable[[Side], Any]:
    """A scenario: transactions of random statements, some rolled back, one after the other."""

    async def run(side: Side) -> list[Any]:
        random = Random(seed)
        maker = Maker(random, side.base_ms)
        session = await side.session()
        results: list[Any] = []
        for _ in range(6):
            results += [
                await session.call(statement, *STATEMENTS[statement](maker))
                for statement in WRITES_FIRST
            ]
        names = sorted(STATEMENTS)
        for _ in range(length):
            drawn = [random.choice(names) for _ in range(random.randint(1, 3))]
            arguments = [STATEMENTS[name](maker) for name in drawn]
            undone = random.random() < 0.15
            await _together(session, list(zip(drawn, arguments, strict=True)), results, undone)
        return results

    return run


async def _together(
    session: Session, calls: list[tuple[str, Any]], results: list[Any], undone: bool
) -> None:
    async with session.transaction():
        for name, arguments in calls:
            result = await session.call(name, *arguments)
            results.append((name, result))
            if isinstance(result, str) and result[0].isupper():
                raise Failed
        if undone:
            raise Failed
