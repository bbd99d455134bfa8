"""Verify: make every hash of the chain again, and say where it does not fit.

The hashes are made here by code that shares nothing with what made the seals in the database.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from almoner.ledger import queries
from almoner.ledger.head import Head
from almoner.ledger.queries import Seal, SealedEntry
from almoner.platform.db import Database
from almoner.platform.shards import SHARDS

_SEALS_AT_ONCE: Final = 500
_ENTRIES_AT_ONCE: Final = 20_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Verified(Struct, frozen=True):
    """What became of one shard's chain.

    `broken` says at which seal it breaks, and how; what comes after that seal was not looked at.
    """

    shard: int
    seals: int
    entries: int
    head: str
    broken: str | None = None


class _Broken(Exception):
    """The chain does not fit here."""


async def verify(
    database: Database, *, since_ms: int | None = None, kept: Sequence[Head] = ()
) -> AsyncIterator[Verified]:
    """Verify the chain of each shard, from its beginning or from the last seal before a time.

    `kept` are heads that were noted elsewhere before: they must still be links of the chains.
    Raises DatabaseAway.
    """
    for shard in range(SHARDS):
        start = await _start(database, shard, since_ms)
        chain = _Chain(database, shard, start)
        try:
            for head in kept:
                if head.shard == shard:
                    await _expect(database, head)
            await chain.walk()
        except _Broken as broken:
            yield chain.so_far(str(broken))
        else:
            yield chain.so_far(None)


async def _start(database: Database, shard: int, since_ms: int | None) -> Seal | None:
    if since_ms is None:
        return None
    return await queries.last_seal_before(database, shard, since_ms)


async def _expect(database: Database, head: Head) -> None:
    seal = await queries.seal_at(database, head.shard, head.number)
    if seal is None or seal.hash.hex() != head.hash:
        found = "is gone" if seal is None else "has another hash"
        raise _Broken(f"seal {head.number}: {found} than the one that was kept")


class _Chain:
    """The walk along one shard's chain."""

    def __init__(self, database: Database, shard: int, start: Seal | None) -> None:
        self._database = database
        self._shard = shard
        self._number = start.number if start else 0
        self._entry = start.to_entry if start else -1
        self._hash = start.hash if start else bytes(32)
        self._seals = 0
        self._entries = 0

    def so_far(self, broken: str | None) -> Verified:
        """The result up to here."""
        return Verified(self._shard, self._seals, self._entries, self._hash.hex(), broken)

    async def walk(self) -> None:
        """To the end, or to the first seal that does not fit."""
        while seals := await queries.seals_after(
            self._database, self._shard, self._number, _SEALS_AT_ONCE
        ):
            while seals:
                count = _how_many(seals)
                await self._check(seals[:count])
                seals = seals[count:]

    async def _check(self, seals: Sequence[Seal]) -> None:
        """Some seals with the entries between the first and the last of them."""
        entries = await queries.entries_between(
            self._database, self._shard, self._entry, seals[-1].to_entry
        )
        at = 0
        for seal in seals:
            self._check_link(seal)
            end = at
            while end < len(entries) and (entries[end].entry_number or 0) <= seal.to_entry:
                end += 1
            self._check_entries(seal, entries[at:end])
            at = end
            self._number, self._entry, self._hash = seal.number, seal.to_entry, seal.hash
            self._seals += 1
            self._entries += seal.entries

    def _check_link(self, seal: Seal) -> None:
        if seal.number != self._number + 1:
            raise _Broken(f"seal {self._number + 1}: is missing")
        if seal.previous_hash != self._hash:
            raise _Broken(f"seal {seal.number}: does not continue seal {self._number}")
        if seal.after_entry != self._entry:
            raise _Broken(f"seal {seal.number}: its range does not join that of the one before")

    def _check_entries(self, seal: Seal, entries: Sequence[SealedEntry]) -> None:
        if len(entries) != seal.entries:
            raise _Broken(
                f"seal {seal.number}: {seal.entries} entries sealed, {len(entries)} there"
            )
        digest = hashlib.sha256(seal.previous_hash)
        digest.update(
            f"seal|{seal.shard}|{seal.number}|{seal.after_entry}|{seal.to_entry}|{seal.entries}".encode()
        )
        for entry in entries:
            digest.update(hashlib.sha256(_line(entry)).digest())
        if digest.digest() != seal.hash:
            raise _Broken(f"seal {seal.number}: an entry or the seal itself was changed")


def _how_many(seals: Sequence[Seal]) -> int:
    """How many seals to check at once, by what they say they hold; at least one."""
    count, entries = 1, seals[0].entries
    while count < len(seals) and (entries := entries + seals[count].entries) <= _ENTRIES_AT_ONCE:
        count += 1
    return count


def _line(entry: SealedEntry) -> bytes:
    """An entry in its one written form. Texts are in hexadecimal: no text can look like two."""
    return "|".join(
        (
            str(entry.entry_number or 0),
            str(entry.transfer_id),
            str(entry.leg),
            str(entry.donor_id),
            entry.account.encode().hex(),
            str(entry.amount_minor),
            entry.currency.encode().hex(),
            entry.source_kind.encode().hex(),
            str(entry.source_id),
            str((entry.posted_at - _EPOCH) // timedelta(microseconds=1)),
        )
    ).encode()
