"""Rebuild: go through the gateway's record and bring into the books what they have lost.

A charge whose reference fits becomes a donation again: for the right charity, from an unknown
donor. Any other is booked as money that nobody has decided about (suspense) and listed for people.
One that was declined first and captured after all is late money, as it was before: its donor was
told "not charged", so it goes back.
Nothing is ever charged here, and nothing is believed but the gateway.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from almoner.donations.gift import RecoveredGift
from almoner.donations.recovered.recover import number_of, recover
from almoner.donations.recovered.unknown_donor import unknown_donor
from almoner.ledger.accounts import SUSPENSE, gateway_receivable
from almoner.ledger.post import post
from almoner.ledger.transfer import Transfer
from almoner.money import Money
from almoner.operations.match_gateway import MatchedGateway
from almoner.operations.recovery import queries
from almoner.operations.recovery.queries import Kept, KnownAttempt, Placed
from almoner.payments.attempt import CAPTURED
from almoner.payments.gateway import RecordedCharge
from almoner.platform.clock import now_ms
from almoner.platform.db import Connection, Database
from almoner.platform.ids import IdDeriver, Tokens, time_of
from almoner.platform.restored import write_as_rebuild

BATCH: Final = 500


class Result(Struct):
    """What a rebuild came across.

    `late`: of the recovered ones, those that were declined first; their money goes back.
    `foreign`: charges that were never ours, and are left alone. `not_assigned`: what was to be
    assigned and could not be, with the reason.
    """

    seen: int = 0
    known: int = 0
    looked_up: int = 0
    recovered: int = 0
    late: int = 0
    suspense: int = 0
    released: int = 0
    foreign: int = 0
    not_assigned: list[str] = []
    differences: list[str] = []


class Rebuilding:
    """Rebuilds from one gateway. Safe to repeat, and while gifts go on.

    `assigned` names the charity of charges (by order id) that tell none themselves: staff knows it
    from elsewhere.
    """

    def __init__(
        self,
        database: Database,
        gateway: MatchedGateway,
        ids: IdDeriver,
        read_tokens: Tokens,
        assigned: dict[str, int] | None = None,
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._ids = ids
        self._read_tokens = read_tokens
        self._assigned = assigned or {}
        self._met: dict[str, bool] = {}

    async def refusals(self) -> list[str]:
        """What of the assignments can never be, told before anything is changed.

        One that has been made before is no refusal: the same command can be repeated. Raises
        DatabaseAway.
        """
        wanted = {order: charity for order, charity in self._assigned.items() if _uuid(order)}
        async with self._database.connection() as connection:
            there = await queries.charities(connection, list(self._assigned.values()))
            booked = await queries.charities_of(connection, [UUID(order) for order in wanted])
        found = [f"{order}: no order id of ours" for order in self._assigned if order not in wanted]
        for order, charity in wanted.items():
            given_to = booked.get(UUID(order))
            if charity not in there:
                found.append(f"{order}: there is no charity {charity}")
            elif given_to not in (None, charity):
                found.append(f"{order}: it is in the books already, for charity {given_to}")
        return found

    async def run(self) -> Result:
        """Go through every charge once. Raises DatabaseAway; what was done by then stays done."""
        result = Result(differences=[], not_assigned=[])
        self._met = {}
        async for charges in _batches(self._gateway.charges()):
            async with self._database.transaction() as connection:
                await write_as_rebuild(connection)
                await self._batch(connection, charges, result)
            self._met |= {c.order_id: c.captured for c in charges if c.order_id in self._assigned}
        for order in self._assigned:
            if order not in self._met:
                result.not_assigned.append(f"{order}: {self._gateway.name} has no such charge")
            elif not self._met[order]:
                result.not_assigned.append(f"{order}: there is no money in it")
        return result

    async def release(self) -> int:
        """Take charges out of suspense that have found their attempt. Raises DatabaseAway."""
        async with self._database.transaction() as connection:
            released = await queries.release(connection, self._gateway.name)
            await self._post_back(connection, released)
        return len(released)

    async def _batch(
        self, connection: Connection, charges: Sequence[RecordedCharge], result: Result
    ) -> None:
        result.seen += len(charges)
        given_back = [charge.order_id for charge in charges if not charge.captured]
        released = await queries.release_given_back(connection, self._gateway.name, given_back)
        await self._post_back(connection, released)
        result.released += len(released)
        ours = {
            attempt_id: charge
            for charge in charges
            if (attempt_id := _attempt_id(charge)) is not None
        }
        result.foreign += len(charges) - len(ours)
        known = await queries.attempts_of(connection, list(ours))
        await self._compare(connection, ours, known, result)
        lost = {key: charge for key, charge in ours.items() if key not in known}
        await self._leave_alone(connection, charges, lost)
        if captured := {key: charge for key, charge in lost.items() if charge.captured}:
            await self._place(connection, captured, result)

    async def _leave_alone(
        self,
        connection: Connection,
        charges: Sequence[RecordedCharge],
        lost: dict[UUID, RecordedCharge],
    ) -> None:
        """File charges without money in them, and those of others, so that nobody asks again."""
        left = [
            Placed(charge, "left_alone", "not_ours")
            for charge in charges
            if _attempt_id(charge) is None
        ]
        left += [
            Placed(charge, "left_alone", "not_captured")
            for charge in lost.values()
            if not charge.captured
        ]
        if left:
            await queries.file_placed(connection, self._gateway.name, left)

    async def _compare(
        self,
        connection: Connection,
        ours: dict[UUID, RecordedCharge],
        known: dict[UUID, KnownAttempt],
        result: Result,
    ) -> None:
        """What the books know is looked up where they do not know that it was captured."""
        open_ids = [
            key
            for key, attempt in known.items()
            if ours[key].captured != (attempt.state in CAPTURED)
        ]
        result.known += len(known) - len(open_ids)
        result.looked_up += len(open_ids)
        if open_ids:
            await queries.make_due(connection, open_ids)
        for key, attempt in known.items():
            if attempt.money != ours[key].money:
                result.differences.append(f"{key.hex}: another amount")
            elif (
                attempt.gateway_transaction_id is not None
                and attempt.state in CAPTURED
                and attempt.gateway_transaction_id != ours[key].gateway_transaction_id
            ):
                result.differences.append(f"{key.hex}: another transaction")

    async def _place(
        self, connection: Connection, lost: dict[UUID, RecordedCharge], result: Result
    ) -> None:
        """Make donations of what fits, and book the rest as undecided."""
        wanted = {c.reference.payee_id for c in lost.values() if c.reference}
        charities = await queries.charities(
            connection, [n for n in {*wanted, *self._assigned.values()} if n is not None]
        )
        gifts: dict[UUID, RecoveredGift] = {}
        placed: list[Placed] = []
        for attempt_id, charge in lost.items():
            fitting = self._gift(attempt_id, charge, charities)
            if isinstance(fitting, RecoveredGift):
                gifts[attempt_id] = fitting
            else:
                placed.append(Placed(charge, "suspense", fitting))
        written = await recover(
            connection, self._ids, self._read_tokens, self._gateway.name, list(gifts.values())
        )
        captured = {
            key: gift.charged_ms
            for key, gift in gifts.items()
            if key in written and gift.declined_first is None
        }
        await queries.date_captures(connection, captured)
        for attempt_id, gift in gifts.items():
            found = attempt_id in written
            became, reason = ("donation", "recovered") if found else ("suspense", "second_capture")
            if found and gift.declined_first is not None:
                reason = "declined_first"
                result.late += 1
            placed.append(
                Placed(lost[attempt_id], became, reason, gift.donation_id, gift.charity_id)
            )
        order_ids = [charge.order_id for charge in lost.values()]
        await queries.forget_left_alone(connection, self._gateway.name, order_ids)
        filed = await queries.file_placed(connection, self._gateway.name, placed)
        undecided = [p for p in placed if p.became == "suspense"]
        await self._post(connection, [p for p in undecided if p.charge.order_id in filed])
        result.recovered += len(written)
        result.suspense += len(undecided)

    def _gift(
        self, attempt_id: UUID, charge: RecordedCharge, charities: dict[int, tuple[str, str]]
    ) -> RecoveredGift | str:
        """The gift that a charge was for, or why it cannot be told.

        An attempt's id follows from its donation's and our secret: a reference that does not lead
        to the order id is not believed.
        """
        donation_id, number, charity_id = None, 1, self._assigned.get(charge.order_id)
        if charge.reference is not None:
            found = number_of(self._ids, charge.reference.payable_id, attempt_id)
            if found is None:
                return "reference_does_not_fit"
            donation_id, number = charge.reference.payable_id, found
            charity_id = charity_id or charge.reference.payee_id
        if charity_id is None:
            return "charity_not_told" if donation_id else "no_reference"
        if charity_id not in charities:
            return "charity_unknown"
        if donation_id is None:
            donation_id = self._ids.derive(
                "recovered", charge.order_id, at_ms=time_of(attempt_id) or charge.charged_ms
            )
        slug, name = charities[charity_id]
        return RecoveredGift(
            donation_id,
            attempt_id,
            number,
            charity_id,
            charge.money,
            charge.charged_ms or now_ms(),
            slug,
            name,
            charge.declined_first,
        )

    async def _post(self, connection: Connection, undecided: Sequence[Placed]) -> None:
        receivable = gateway_receivable(self._gateway.name)
        transfers = [
            self._transfer("recovered", p.charge.order_id, p.charge.money, receivable, SUSPENSE)
            for p in undecided
        ]
        if transfers:
            await post(connection, transfers)

    async def _post_back(self, connection: Connection, released: Sequence[Kept]) -> None:
        receivable = gateway_receivable(self._gateway.name)
        transfers = [
            self._transfer("recovered_back", kept.order_id, kept.money, SUSPENSE, receivable)
            for kept in released
        ]
        if transfers:
            await post(connection, transfers)

    def _transfer(
        self, kind: str, order_id: str, money: Money, debit: str, credit: str
    ) -> Transfer:
        source_id = UUID(order_id)
        return Transfer(
            transfer_id=self._ids.derive("transfer", kind, order_id, at_ms=time_of(source_id)),
            donor_id=unknown_donor(self._ids).donor_id,
            debit=debit,
            credit=credit,
            money=money,
            source_kind=kind,
            source_id=source_id,
            posted_ms=now_ms(),
        )


def _attempt_id(charge: RecordedCharge) -> UUID | None:
    """The attempt of an order id of ours; None for one that we never made."""
    return _uuid(charge.order_id)


def _uuid(order_id: str) -> UUID | None:
    try:
        attempt_id = UUID(order_id)
    except ValueError:
        return None
    return attempt_id if attempt_id.hex == order_id else None


async def _batches(
    charges: AsyncIterator[RecordedCharge],
) -> AsyncIterator[list[RecordedCharge]]:
    batch: list[RecordedCharge] = []
    async for charge in charges:
        batch.append(charge)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
