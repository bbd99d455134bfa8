"""Mistakes with the journal, and with money that turns up late."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final
from uuid import UUID

from msgspec import structs

from almoner.donations import late_money
from almoner.donations.queries import Drained
from almoner.platform.journal.journal import Journal
from simulation.planted.bug import Bug, replace
from simulation.store.transaction import Transaction
from simulation.twins import instead


def _drains_without_position(stack: ExitStack) -> None:
    async def insert(_: Transaction, segment_id: UUID, drained: Sequence[Drained]) -> None:
        """Write nothing down."""

    instead(stack, "donations", "insert_drained", insert)


def _acknowledges_before_fsync(stack: ExitStack) -> None:
    async def sync(self: Journal, own: Any) -> None:
        """Trust the page cache."""

    replace(stack, Journal, "_sync", sync)


def _keeps_what_was_refused(stack: ExitStack) -> None:
    real = late_money.decide

    def decide(so: late_money.Circumstances) -> Any:
        return real(structs.replace(so, told=None, refused=False))

    replace(stack, late_money, "decide", decide)


BUGS: Final = (
    Bug(
        "drain without position",
        "that a record was taken in is not written down with what it became",
        frozenset({1, 2, 3, 7, 11}),
        _drains_without_position,
    ),
    Bug(
        "acknowledged before fsync",
        "a gift counts as kept while only the page cache has it",
        frozenset({3}),
        _acknowledges_before_fsync,
    ),
    Bug(
        "late money is kept from who was told no",
        "money that turns up late is adopted, whatever the donor was told",
        frozenset({7}),
        _keeps_what_was_refused,
    ),
)
