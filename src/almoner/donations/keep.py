"""Keep: write a gift down in the database, or in the journal while the database is away."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

from msgspec import Struct

from almoner.donations.errors import KeyReused, PossibleDuplicate
from almoner.donations.facts import DonationFacts
from almoner.donations.gift import Intent
from almoner.donations.intend import Intended
from almoner.donations.kept import payload_of
from almoner.donations.outage import Outage
from almoner.donations.withdrawals import Withdrawals
from almoner.platform.batch import Batcher
from almoner.platform.clock import now_ms
from almoner.platform.db import DatabaseAway
from almoner.platform.errors import Problem
from almoner.platform.journal.errors import JournalRefuses
from almoner.platform.journal.journal import Journal, Position
from almoner.platform.metrics import JOURNAL_KEPT, JOURNAL_OLDEST, JOURNAL_REFUSED, JOURNAL_WAITING

KNOWN_AWAY_WAIT_S: Final = 0.3
"""How long a donor waits for a database that is known to be away."""


class KeptGift(Struct, frozen=True):
    """A gift that waits in the journal: acknowledged, in no table, and nothing was sent for it."""

    facts: DonationFacts
    fingerprint: bytes
    look: int


class Kept(Struct, frozen=True):
    """Written down in the journal. `request_id` is there when it was for this request."""

    gift: KeptGift
    request_id: UUID | None


class Keeping:
    """Where gifts are written down before any money moves.

    Without a journal a gift is refused while the database is away. What is kept is remembered here
    until it is in the database, so that this process can tell of it.
    """

    def __init__(
        self,
        intents: Batcher[Intent, Intended],
        outage: Outage,
        withdrawals: Withdrawals,
        journal: Journal | None,
        *,
        age_max_ms: int,
    ) -> None:
        self._intents = intents
        self._outage = outage
        self._withdrawals = withdrawals
        self._journal = journal
        self._age_max_ms = age_max_ms
        self._kept: dict[UUID, KeptGift] = {}
        self._by_look: dict[int, UUID] = {}
        self._under_way: dict[UUID, asyncio.Task[Position]] = {}

    @property
    def keeps(self) -> bool:
        """Whether there is a journal."""
        return self._journal is not None

    @property
    def away(self) -> bool:
        """Whether the database is known to be away."""
        return self._outage.known

    @property
    def oldest_ms(self) -> int | None:
        """When the donor of the oldest kept gift asked; None when nothing waits."""
        first = next(iter(self._kept.values()), None)
        return first.facts.created_ms if first else None

    def find(self, donation_id: UUID) -> KeptGift | None:
        """A gift that waits in the journal, if this process holds it."""
        return self._kept.get(donation_id)

    async def write(self, intent: Intent) -> Intended | Kept:
        """Write a gift down.

        One that is kept already goes through the database as soon as that is back: there the
        donor learns what became of it, and the drain will find that there is nothing left to do.
        Raises KeyReused or PossibleDuplicate for what is kept already, DatabaseAway without a
        journal, JournalRefuses when that cannot take it, or Overloaded. After each of them nothing
        is charged for this request, also when its commit happened unseen.
        """
        if self._kept or self._under_way:
            await self._compare(intent)
        if self._outage.known and not await self._outage.over_within(KNOWN_AWAY_WAIT_S):
            return await self._keep(intent)
        try:
            intended = await self._intents.submit(intent)
        except DatabaseAway:
            self._outage.begin()
            return await self._keep_after_a_try(intent)
        self._outage.end()
        return intended

    def away_now(self) -> None:
        """Somebody else could not write."""
        self._outage.begin()

    def remember(self, gift: KeptGift) -> None:
        """Tell of it from now on. The first with a key counts."""
        self._kept.setdefault(gift.facts.donation_id, gift)
        self._by_look.setdefault(gift.look, gift.facts.donation_id)
        self._report()

    def forget(self, donation_id: UUID) -> None:
        """It is in the database."""
        gift = self._kept.pop(donation_id, None)
        if gift is not None and self._by_look.get(gift.look) == donation_id:
            del self._by_look[gift.look]
        self._report()

    def report(self) -> None:
        """Write down how much waits and since when, for the metrics."""
        self._report()

    async def _keep_after_a_try(self, intent: Intent) -> Kept:
        """Keep it, knowing that its stamp may stand in the database unseen.

        If it is this very request that the journal holds, whoever drains the journal withdraws the
        stamp before anything is sent. Else it is withdrawn from here.
        """
        try:
            kept = await self._keep(intent)
        except Problem:
            self._withdrawals.later(intent.attempt)
            raise
        if kept.request_id != intent.request_id:
            self._withdrawals.later(intent.attempt)
        return kept

    async def _keep(self, intent: Intent) -> Kept:
        """Keep it, or tell of the first one with its key."""
        if self._journal is None:
            raise DatabaseAway
        if (first := await self._first(intent.donation_id)) is not None:
            if first.fingerprint != intent.fingerprint:
                raise KeyReused
            return Kept(first, None)
        self._ask_about(intent)
        await self._append(self._journal, intent)
        return Kept(self._kept[intent.donation_id], intent.request_id)

    async def _compare(self, intent: Intent) -> None:
        """With what is kept: raise KeyReused, or PossibleDuplicate."""
        first = await self._first(intent.donation_id)
        if first is None:
            self._ask_about(intent)
        elif first.fingerprint != intent.fingerprint:
            raise KeyReused

    async def _first(self, donation_id: UUID) -> KeptGift | None:
        """The gift that is kept under this key, or is just being written into the journal."""
        while (writing := self._under_way.get(donation_id)) is not None:
            await asyncio.wait({writing})
            await asyncio.sleep(0)  # whoever began it remembers it first
        return self._kept.get(donation_id)

    async def _append(self, journal: Journal, intent: Intent) -> None:
        donation_id, gift = intent.donation_id, kept_gift(intent)
        try:
            self._check_age()
            writing = asyncio.create_task(journal.append(payload_of(intent)))
            self._under_way[donation_id] = writing
            self._by_look.setdefault(gift.look, donation_id)
            await writing
        except JournalRefuses as error:
            JOURNAL_REFUSED.labels(error.why).inc()
            if self._by_look.get(gift.look) == donation_id:
                del self._by_look[gift.look]
            raise
        finally:
            self._under_way.pop(donation_id, None)
        JOURNAL_KEPT.inc()
        self.remember(gift)

    def _check_age(self) -> None:
        """An outage that goes on for so long would turn gifts into letters only."""
        oldest_ms = self.oldest_ms
        if oldest_ms is not None and now_ms() - oldest_ms > self._age_max_ms:
            raise JournalRefuses("age")

    def _ask_about(self, intent: Intent) -> None:
        """Raise PossibleDuplicate for one that looks just like a gift that waits."""
        if intent.gift.confirm_duplicate or not self._by_look:
            return
        first = self._by_look.get(intent.look())
        if first is not None and first != intent.donation_id:
            raise PossibleDuplicate(first)

    def _report(self) -> None:
        JOURNAL_WAITING.set(len(self._kept))
        oldest_ms = self.oldest_ms
        JOURNAL_OLDEST.set(0 if oldest_ms is None else max(0, now_ms() - oldest_ms) / 1000)


def kept_gift(intent: Intent) -> KeptGift:
    """What is remembered of a gift that the journal holds."""
    return KeptGift(intent.facts(), intent.fingerprint, intent.look())
