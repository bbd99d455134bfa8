"""The history of an attempt: what was asked of the gateway, and what came of it."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from almoner.payments import queries
from almoner.platform.db import Connection


class Operation(Struct, frozen=True):
    """One operation. `outcome` is the state that it left the attempt in."""

    kind: str
    outcome: str
    attempt_version: int | None
    request_key: str
    gateway_transaction_id: str | None
    gateway_code: str | None
    started_ms: int
    finished_ms: int


async def history(connection: Connection, attempt_id: UUID) -> list[Operation]:
    """The operations of an attempt, the first one first."""
    return [Operation(**row) for row in await queries.read_operations(connection, attempt_id)]
