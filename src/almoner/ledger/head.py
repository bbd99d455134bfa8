"""The heads of the chains: eight hashes that stand for everything in the books.

Who keeps them elsewhere (printed, in another system) can show later that nothing before them was
changed, not even by somebody who wrote the whole chain anew.
"""

from __future__ import annotations

from msgspec import Struct

from almoner.ledger import queries
from almoner.platform.clock import rfc3339
from almoner.platform.db import Database


class Head(Struct, frozen=True):
    """The newest seal of a shard: its number, the last entry it covers, its hash in hexadecimal."""

    shard: int
    number: int
    to_entry: int
    hash: str
    sealed_at: str


async def heads(database: Database) -> list[Head]:
    """The heads of all chains that have begun. Raises DatabaseAway."""
    return [
        Head(
            seal.shard,
            seal.number,
            seal.to_entry,
            seal.hash.hex(),
            rfc3339(round(seal.sealed_at.timestamp() * 1000)),
        )
        for seal in await queries.heads(database)
    ]
