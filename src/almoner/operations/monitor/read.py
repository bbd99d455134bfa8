"""Read: one look at what is under way, waits, runs and is broken."""

from __future__ import annotations

from almoner.operations.monitor import queries
from almoner.operations.monitor.readings import MOVES_MINUTES, Readings
from almoner.platform.clock import now_ms
from almoner.platform.db import Database


async def read(database: Database, *, gifts_minutes: int) -> Readings:
    """The readings now. Raises DatabaseAway."""
    asked_ms = now_ms()
    server = await queries.read_server(database)
    answered_ms = now_ms()
    gifts = await queries.gifts_since(database, gifts_minutes)
    return Readings(
        at_ms=answered_ms,
        skew_ms=server.now_ms - (asked_ms + answered_ms) // 2,
        database_up_s=server.up_s,
        server_version=server.version,
        database_bytes=server.bytes,
        attempts=await queries.open_attempts(database),
        moves=await queries.moves_since(database, server.now_ms - MOVES_MINUTES * 60_000),
        look_ups=await queries.look_ups_due(database),
        events=await queries.events_waiting(database),
        webhooks=await queries.webhooks_waiting(database),
        gifts=gifts,
        gifts_minutes=gifts_minutes,
        usual_days=0 if gifts else await queries.usual_days(database, gifts_minutes),
        runs=await queries.last_runs(database),
        findings=await queries.open_findings(database),
        beats=await queries.read_beats(database),
    )
