"""Metrics, in Prometheus' text format, summed over all web processes."""

from __future__ import annotations

import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Final

from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

REQUESTS: Final = Counter(
    "almoner_http_requests", "Requests answered.", ["method", "route", "status"]
)
SECONDS: Final = Histogram(
    "almoner_http_request_seconds",
    "Time from a request to its answer.",
    ["method", "route"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 12, 30),
)
GIFTS: Final = Counter("almoner_gifts", "Answers to donors, by what they were told.", ["told"])
LANE_AT_WORK: Final = Gauge(
    "almoner_lane_at_work", "At work in a lane now.", ["lane"], multiprocess_mode="livesum"
)
LANE_WAITING: Final = Gauge(
    "almoner_lane_waiting", "Waiting for a lane now.", ["lane"], multiprocess_mode="livesum"
)
LANE_SHED: Final = Counter(
    "almoner_lane_shed", "Refused because a lane was full, or the wait too long.", ["lane"]
)
QUEUE_LENGTH: Final = Gauge(
    "almoner_batcher_waiting",
    "Waiting to be written now.",
    ["batcher"],
    multiprocess_mode="livesum",
)
QUEUE_OLDEST: Final = Gauge(
    "almoner_batcher_oldest_seconds",
    "Age of the oldest that waits to be written.",
    ["batcher"],
    multiprocess_mode="livemax",
)
RESOLVED: Final = Counter("almoner_attempts_looked_up", "Look-ups of charges in doubt.")
EVENTS_PUBLISHED: Final = Counter("almoner_events_published", "Events handed on.", ["kind"])
DELIVERIES_HANDLED: Final = Counter(
    "almoner_deliveries_handled", "Events that a consumer has had.", ["consumer"]
)
DELIVERIES_FAILED: Final = Counter(
    "almoner_deliveries_failed", "Tries of a consumer that failed.", ["consumer"]
)
DELIVERIES_WAITING: Final = Gauge(
    "almoner_deliveries_waiting",
    "Published events that a consumer has still to handle.",
    ["consumer"],
    multiprocess_mode="livemostrecent",
)
DELIVERIES_PARKED: Final = Gauge(
    "almoner_deliveries_parked",
    "Events that a consumer could not handle; people have to look.",
    ["consumer"],
    multiprocess_mode="livemostrecent",
)
LEDGER_SEALED: Final = Counter("almoner_ledger_entries_sealed", "Ledger entries sealed.")
LEDGER_UNSEALED_SECONDS: Final = Gauge(
    "almoner_ledger_unsealed_seconds",
    "How long ledger entries have waited for their seal.",
    multiprocess_mode="livemostrecent",
)
SETTLEMENT_LINES: Final = Counter(
    "almoner_settlement_lines", "Lines of settlement reports, by what became of them.", ["became"]
)
MATCH_DIFFERENCES: Final = Gauge(
    "almoner_match_differences",
    "Open differences of the match with the gateway and its payouts.",
    ["difference"],
    multiprocess_mode="livemostrecent",
)
SURPRISES: Final = Counter(
    "almoner_gateway_surprises",
    "Look-ups that contradict the books and that no move can mend.",
    ["gateway", "surprise"],
)
LATE_MONEY: Final = Counter(
    "almoner_late_money",
    "Money that turned up after a final no, by what was decided or done about it.",
    ["step"],
)
WEBHOOKS: Final = Counter(
    "almoner_webhooks", "Webhooks, by what became of them.", ["gateway", "result"]
)
LIMITED: Final = Counter("almoner_limited", "Requests refused by a limit.", ["rule"])
CHALLENGED: Final = Counter(
    "almoner_challenges", "Proofs of work: asked for, and what came back.", ["outcome"]
)
CHARITY_LEVELS: Final = Counter(
    "almoner_charity_levels", "Changes of how carefully a charity's gifts are taken.", ["level"]
)
JOURNAL_KEPT: Final = Counter(
    "almoner_journal_kept", "Gifts kept in the journal while the database was away."
)
JOURNAL_REFUSED: Final = Counter(
    "almoner_journal_refused", "Gifts that the journal could not keep, by why.", ["why"]
)
JOURNAL_DRAINED: Final = Counter(
    "almoner_journal_drained", "Kept gifts brought into the database, by result.", ["result"]
)
JOURNAL_WAITING: Final = Gauge(
    "almoner_journal_records", "Kept gifts that wait for the database.", multiprocess_mode="livesum"
)
JOURNAL_OLDEST: Final = Gauge(
    "almoner_journal_oldest_seconds", "Age of the oldest kept gift.", multiprocess_mode="livemax"
)
JOURNAL_DAMAGED: Final = Gauge(
    "almoner_journal_damaged_segments",
    "Segments that cannot be drained to their end.",
    multiprocess_mode="livemax",
)
JOURNAL_BROKEN: Final = Gauge(
    "almoner_journal_broken",
    "Processes whose journal takes nothing any more after a failed fsync.",
    multiprocess_mode="livesum",
)
JOURNAL_SYNC_SECONDS: Final = Histogram(
    "almoner_journal_fsync_seconds",
    "Time of one fsync of the journal.",
    buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
DATABASE_AWAY: Final = Gauge(
    "almoner_database_away",
    "1 while gifts cannot be written into the database.",
    multiprocess_mode="livemax",
)
GATEWAY_CALLS: Final = Counter(
    "almoner_gateway_calls",
    "Calls to gateways, by what was seen.",
    ["gateway", "operation", "seen"],
)
GATEWAY_RETRIES: Final = Counter(
    "almoner_gateway_retries",
    "Charges that were provably not sent: sent again, or not for want of budget.",
    ["gateway", "result"],
)
GATEWAY_FAULTS: Final = Counter(
    "almoner_gateway_faults",
    "Requests that a gateway refused as malformed or not allowed. Any is a reason to look.",
    ["gateway", "operation", "code"],
)
GATEWAY_IN_FLIGHT: Final = Gauge(
    "almoner_gateway_in_flight",
    "Calls to gateways under way.",
    ["gateway", "operation"],
    multiprocess_mode="livesum",
)
BREAKER_STATE: Final = Gauge(
    "almoner_breaker_state",
    "Of the worst process: 0 closed, 1 half open, 2 open.",
    ["gateway", "operation"],
    multiprocess_mode="livemax",
)
SANDBOX_NOTICES: Final = Counter(
    "almoner_sandbox_webhooks",
    "Webhooks of the sandbox: told, again, held, lost by fault, given up.",
    ["outcome"],
)


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CONTENT_TYPE: Final = CONTENT_TYPE_LATEST.partition("; charset")[0]
"""The framework adds the charset to every text."""


def measured(app: ASGIApp) -> ASGIApp:
    """Count and time every request. The route is its template, never the path itself."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, watch)
        finally:
            requests, seconds = _series(
                str(scope.get("method", "-")), str(scope.get("path_template") or "(none)"), status
            )
            requests.inc()
            seconds.observe(time.perf_counter() - started)

    return middleware


@lru_cache(maxsize=1024)
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The two series of a kind of request; finding them by label costs more than counting."""
    if method not in _METHODS:
        method = "(other)"
    return REQUESTS.labels(method, route, status), SECONDS.labels(method, route)


def forget_dead_processes() -> None:
    """Take back what processes that have died said of themselves: it is no longer so."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return
    for file in Path(folder).glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdigit() and not Path("/proc", pid).exists():
            file.unlink(missing_ok=True)


def exposition() -> tuple[bytes, str]:
    """The metrics of this process, or of all of them where they share a folder."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY), _CONTENT_TYPE
    _forget_the_dead(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the library has no types
    return generate_latest(registry), _CONTENT_TYPE


def _forget_the_dead(folder: Path) -> None:
    """Gauges of a process that was killed would stand for ever; counters must."""
    for file in folder.glob("gauge_live*.db"):
        pid = file.stem.rpartition("_")[2]
        if not Path("/proc", pid).exists():
            mark_process_dead(int(pid), str(folder))  # type: ignore[no-untyped-call]
