"""Gifts a second through HTTP, beside `pgbench` writing the same rows, with the proof."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from almoner.bench import pgbench, queries
from almoner.bench.drive import drive
from almoner.bench.errors import BenchError
from almoner.bench.heard import Heard, Latency
from almoner.bench.machine import Machine, describe
from almoner.bench.pgbench import Reference
from almoner.bench.prove import Proof, captured_when_quiet, prove
from almoner.bench.trial import Trial, trial
from almoner.bench.wrk import drive_with_wrk
from almoner.platform.db import Database

Say = Callable[[str], object]


class GivePlan(Struct, frozen=True):
    """What to run. `clients` are those pgbench tries for `trial_s` each; the best one counts."""

    seconds: float = 15
    warm_up_s: float = 3
    connections: int = 512
    web_processes: int = 2
    generator: Literal["own", "wrk"] = "own"
    gateway_ms: int = 50
    reference: bool = True
    clients: tuple[int, ...] = (8, 16, 32, 64)
    trial_s: float = 3
    statements: bool = False


class GiveResult(Struct, frozen=True):
    """The figures of one run. `docs/howto/benchmark.md` says what each of them means."""

    donations_per_s: float
    pgbench_per_s: float | None
    ratio: float | None
    latency_ms: Latency
    seconds: float
    connections: int
    generator: str
    verified: bool
    differences: list[str]
    told: dict[str, int]
    proof: Proof
    pgbench: Reference | None
    cpu_s: dict[str, float]
    cpu_us_per_gift: float
    others_cpu_s: float
    settings: dict[str, Any]
    machine: Machine
    statements: list[dict[str, Any]]


class _Ours(Struct, frozen=True):
    heard: Heard
    proof: Proof
    settings: dict[str, str]
    machine: Machine
    statements: list[dict[str, Any]]


def measure_give(
    plan: GivePlan,
    say: Say = lambda _: None,
    *,
    before_proof: Callable[[Trial], object] = lambda _: None,
) -> GiveResult:
    """Run Almoner, prove what it did, then run the reference on a server of its own.

    `say` is told what goes on. `before_proof` is for the tests, which tamper there. Raises
    BenchError. Call it from the main thread.
    """
    ours = _measure_ours(plan, say, before_proof)
    reference = None
    if plan.reference:
        say("pgbench writes the same rows")
        os.sync()
        reference = pgbench.measure(
            seconds=plan.seconds,
            warm_up_s=plan.warm_up_s,
            clients=plan.clients,
            trial_s=plan.trial_s,
        )
        _demand_durable(reference.settings)
    return _result(plan, ours, reference)


def _measure_ours(plan: GivePlan, say: Say, before_proof: Callable[[Trial], object]) -> _Ours:
    environment = {
        "ALMONER_SANDBOX_LATENCY_MS": str(plan.gateway_ms),
        "ALMONER_LIMITS": "sandbox",
    }
    with tempfile.TemporaryDirectory(prefix="almoner-bench-") as name:
        folder = Path(name)
        say("starting almoner serve")
        with trial(folder, web_processes=plan.web_processes, settings=environment) as running:
            url = running.runtime().database_url
            if url is None:
                raise BenchError("The installation has no database of its own.")
            settings, charity_ids = asyncio.run(_look(url))
            _demand_durable(settings)
            machine = describe(folder, settings["server_version"])
            say(f"giving for {plan.warm_up_s + plan.seconds:g} s")
            driving = drive if plan.generator == "own" else drive_with_wrk
            heard = driving(
                running,
                connections=plan.connections,
                warm_up_s=plan.warm_up_s,
                seconds=plan.seconds,
                charity_ids=charity_ids,
            )
            say("proving that nothing was lost")
            statements = asyncio.run(_statements(url)) if plan.statements else []
            captured = asyncio.run(captured_when_quiet(url))
            before_proof(running)
            return _Ours(heard, prove(running, heard, captured), settings, machine, statements)


async def _look(database_url: str) -> tuple[dict[str, str], list[int]]:
    database = Database(database_url, size=1)
    await database.open()
    try:
        return await queries.server_settings(database), await queries.charity_ids(database)
    finally:
        await database.close()


async def _statements(database_url: str) -> list[dict[str, Any]]:
    database = Database(database_url, size=1)
    await database.open()
    try:
        return await queries.top_statements(database)
    finally:
        await database.close()


def _demand_durable(settings: dict[str, str]) -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        if settings[name] != "on":
            raise BenchError(f"{name} is {settings[name]}: a figure without it does not count.")


def _result(plan: GivePlan, ours: _Ours, reference: Reference | None) -> GiveResult:
    heard = ours.heard
    pgbench_per_s = reference.donations_per_s if reference else None
    faults = [f"pgbench: {fault}" for fault in reference.faults] if reference else []
    return GiveResult(
        donations_per_s=heard.paid_per_s,
        pgbench_per_s=pgbench_per_s,
        ratio=round(heard.paid_per_s / pgbench_per_s, 2) if pgbench_per_s else None,
        latency_ms=heard.latency,
        seconds=round(heard.seconds, 2),
        connections=plan.connections,
        generator=plan.generator,
        verified=ours.proof.verified and not faults,
        differences=[*ours.proof.differences, *faults],
        told=heard.told,
        proof=ours.proof,
        pgbench=reference,
        cpu_s=heard.cpu_s,
        cpu_us_per_gift=round(sum(heard.cpu_s.values()) / max(1, heard.paid_measured) * 1e6, 1),
        others_cpu_s=heard.others_cpu_s,
        settings={
            "web_processes": plan.web_processes,
            "gateway_ms": plan.gateway_ms,
            "warm_up_s": plan.warm_up_s,
            **ours.settings,
        },
        machine=ours.machine,
        statements=ours.statements,
    )
