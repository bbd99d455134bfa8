"""`GET /charities` a second, beside nginx serving the same bytes from a file."""

from __future__ import annotations

import asyncio
import http.client
import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from almoner.bench import queries
from almoner.bench.cpu import cpu_s, ended_children_s, machine_busy_s, since
from almoner.bench.errors import BenchError
from almoner.bench.heard import Latency
from almoner.bench.machine import Machine, describe
from almoner.bench.nginx import nginx
from almoner.bench.programs import find
from almoner.bench.trial import trial
from almoner.bench.wrk import LIST_SCRIPT, WrkResult, run_wrk
from almoner.platform.db import Database

PROGRAMS = ("wrk", "nginx")
PATH = "/charities"

_NGINX_WORKERS = ("auto", "1")
_OWN_HEADERS = {"date", "server", "connection"}


class ListPlan(Struct, frozen=True):
    """What to run: `rounds` of `seconds` each, Almoner and nginx in turn."""

    seconds: float = 4
    rounds: int = 4
    connections: int = 64
    web_processes: int = 2
    warm_up_s: float = 2


class Round(Struct, frozen=True):
    """One round of each, in answers a second."""

    almoner_per_s: float
    nginx_per_s: float


class ListResult(Struct, frozen=True):
    """The figures of one run; medians over the rounds."""

    requests_per_s: float
    nginx_per_s: float
    ratio: float
    latency_ms: Latency
    nginx_latency_ms: Latency
    identical_bytes: bool
    body_bytes: int
    header_differences: list[str]
    verified: bool
    differences: list[str]
    rounds: list[Round]
    seconds: float
    connections: int
    generator: str
    nginx_workers: str
    nginx_tried: dict[str, float]
    cpu_s: dict[str, float]
    cpu_us_per_request: dict[str, float]
    others_cpu_s: float
    settings: dict[str, int]
    machine: Machine


class _Page(Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes


class _Target:
    """One server under load, with the CPU it used so far in measured rounds."""

    def __init__(
        self, port: int, roles: Mapping[str, list[int]], plan: ListPlan, folder: Path
    ) -> None:
        self.port = port
        self.results: list[WrkResult] = []
        self.cpu_s: dict[str, float] = dict.fromkeys(roles, 0.0)
        self.generator_cpu_s = 0.0
        self.busy_s = 0.0
        self._roles = roles
        self._plan = plan
        self._folder = folder

    def run(self, seconds: float, *, counted: bool = True) -> WrkResult:
        """Ask for the page for so long."""
        before, wrk_s, busy_s = cpu_s(self._roles), ended_children_s(), machine_busy_s()
        result = run_wrk(
            LIST_SCRIPT,
            f"http://127.0.0.1:{self.port}{PATH}",
            connections=self._plan.connections,
            seconds=seconds,
            folder=self._folder,
            words=(),
        )
        if counted:
            self.results.append(result)
            self.generator_cpu_s += ended_children_s() - wrk_s
            self.busy_s += machine_busy_s() - busy_s
            for role, used_s in since(before, cpu_s(self._roles)).items():
                self.cpu_s[role] = round(self.cpu_s[role] + used_s, 2)
        return result

    @property
    def cpu_us_per_request(self) -> float:
        """What the server alone used for one answer."""
        answers = sum(result.requests for result in self.results)
        return round(sum(self.cpu_s.values()) / max(1, answers) * 1e6, 1)

    @property
    def per_s(self) -> float:
        """The median of the rounds."""
        return round(statistics.median(result.per_s for result in self.results), 1)

    @property
    def latency(self) -> Latency:
        """The median of each percentile over the rounds."""
        latencies = [result.latency for result in self.results]
        return Latency(
            *(
                round(statistics.median(getattr(latency, name) for latency in latencies), 2)
                for name in ("p50", "p95", "p99", "worst")
            )
        )

    @property
    def errors(self) -> int:
        """Answers that were no 2xx or 3xx, and broken connections."""
        return sum(result.status_errors + result.socket_errors for result in self.results)


def measure_list(plan: ListPlan, say: Callable[[str], object] = lambda _: None) -> ListResult:
    """Run both in turn. Raises BenchError, MissingProgram. Call it from the main thread."""
    for program in PROGRAMS:
        find(program)
    with tempfile.TemporaryDirectory(prefix="almoner-bench-") as name:
        folder = Path(name)
        say("starting almoner serve")
        with trial(folder, web_processes=plan.web_processes, settings={}) as running:
            url = running.runtime().database_url
            if url is None:
                raise BenchError("The installation has no database of its own.")
            machine = describe(folder, asyncio.run(_version(url)))
            almoner = _Target(running.port, running.roles(), plan, folder)
            say("warming up")
            almoner.run(plan.warm_up_s, counted=False)
            page = _get(running.port)
            tried = _try_workers(folder, page, plan)
            workers = max(tried, key=lambda count: tried[count])
            with nginx(folder / "nginx", page.body, page.headers, workers=workers) as (port, pid):
                beside = _Target(port, {"nginx": [pid]}, plan, folder)
                beside.run(1, counted=False)
                for number in range(plan.rounds):
                    say(f"round {number + 1} of {plan.rounds}")
                    almoner.run(plan.seconds)
                    beside.run(plan.seconds)
                return _result(
                    plan, (almoner, beside), (_get(running.port), _get(port)), tried, machine
                )


def _try_workers(folder: Path, page: _Page, plan: ListPlan) -> dict[str, float]:
    """Answers a second by number of worker processes, in a short run each."""
    tried: dict[str, float] = {}
    for workers in _NGINX_WORKERS:
        with nginx(folder / "nginx", page.body, page.headers, workers=workers) as (port, pid):
            target = _Target(port, {"nginx": [pid]}, plan, folder)
            tried[workers] = round(target.run(2).per_s, 1)
    return tried


async def _version(database_url: str) -> str:
    database = Database(database_url, size=1)
    await database.open()
    try:
        return (await queries.server_settings(database))["server_version"]
    finally:
        await database.close()


def _get(port: int) -> _Page:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", PATH)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return _Page(answer.status, headers, answer.read())
    finally:
        connection.close()


def _result(
    plan: ListPlan,
    targets: tuple[_Target, _Target],
    pages: tuple[_Page, _Page],
    tried: dict[str, float],
    machine: Machine,
) -> ListResult:
    almoner, beside = targets
    ours, theirs = pages
    used = {
        **almoner.cpu_s,
        **beside.cpu_s,
        "generator": round(almoner.generator_cpu_s + beside.generator_cpu_s, 2),
    }
    identical = ours.status == theirs.status == http.HTTPStatus.OK and ours.body == theirs.body
    differences = [] if identical else ["the two do not serve the same bytes"]
    for name, target in (("almoner", almoner), ("nginx", beside)):
        if target.errors:
            differences.append(f"{name}: {target.errors} requests failed")
    return ListResult(
        requests_per_s=almoner.per_s,
        nginx_per_s=beside.per_s,
        ratio=round(almoner.per_s / beside.per_s, 3),
        latency_ms=almoner.latency,
        nginx_latency_ms=beside.latency,
        identical_bytes=identical,
        body_bytes=len(ours.body),
        header_differences=_header_differences(ours.headers, theirs.headers),
        verified=not differences,
        differences=differences,
        rounds=[
            Round(round(a.per_s, 1), round(b.per_s, 1))
            for a, b in zip(almoner.results, beside.results, strict=True)
        ],
        seconds=plan.seconds,
        connections=plan.connections,
        generator="wrk",
        nginx_workers=max(tried, key=lambda count: tried[count]),
        nginx_tried=tried,
        cpu_s=used,
        cpu_us_per_request={
            "almoner": almoner.cpu_us_per_request,
            "nginx": beside.cpu_us_per_request,
        },
        others_cpu_s=round(max(0.0, almoner.busy_s + beside.busy_s - sum(used.values())), 2),
        settings={"web_processes": plan.web_processes},
        machine=machine,
    )


def _header_differences(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    names = (ours.keys() | theirs.keys()) - _OWN_HEADERS
    return sorted(name for name in names if ours.get(name) != theirs.get(name))
