"""Random programs of statements, in a small universe so that they collide all the time."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final
from uuid import UUID

from almoner.donations.answer import Answer
from almoner.donations.gift import Gift, Intent
from almoner.donors.donor import Donor
from almoner.events.event import Event
from almoner.ledger.transfer import Transfer
from almoner.money import Money
from almoner.payments.attempt import Attempt, AttemptState
from almoner.payments.gateway import Instrument
from almoner.payments.outcome import Outcome
from simulation.donors import CHARITIES
from simulation.sides import Failed, Session, Side

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
    "donors.insert_new": lambda m: ([m.donor(m.donor_id()), m.donor(m.donor_id())],),
    "payments.insert_dispatched": lambda m: ([m.attempt(m.donation_id())], 70_000),
    "payments.move_attempts": lambda m: (m.outcomes(),),
    "payments.insert_operations": lambda m: (m.outcomes(),),
    "payments.read_attempts": lambda m: ([m.attempt(m.donation_id()).attempt_id],),
    "payments.latest_attempts": lambda m: ([m.payable(), m.payable()],),
    "payments.lease_due": lambda m: (uid(4, m.number(3)), m.base_ms + 20 * MINUTE_MS, 9),
    "payments.withdraw_unsent": lambda m: ([(*m.payable(), uid(4, m.number(3)))],),
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


def program(seed: int, length: int = 60) -> Callable[[Side], Any]:
    """A scenario: transactions of random statements, some rolled back, one after the other."""

    async def run(side: Side) -> list[Any]:
        random = Random(seed)
        maker = Maker(random, side.base_ms)
        session = await side.session()
        results: list[Any] = []
        for _ in range(6):
            for statement in WRITES_FIRST:
                results.append(await session.call(statement, *STATEMENTS[statement](maker)))
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
