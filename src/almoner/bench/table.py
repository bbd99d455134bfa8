"""Results as Markdown, for people and for the documentation."""

from __future__ import annotations

from almoner.bench.give import GiveResult
from almoner.bench.list_charities import ListResult
from almoner.bench.machine import Machine


def give_table(result: GiveResult) -> str:
    """The figures of gifts."""
    rows = [
        ("Almoner, gifts a second through HTTP", f"{result.donations_per_s:,.0f}"),
        ("pgbench, the same rows one gift at a time", _number(result.pgbench_per_s)),
        ("ratio", "-" if result.ratio is None else f"{result.ratio:.2f}"),
        ("latency p50 / p95 / p99", _latency(result.latency_ms.p50, result.latency_ms.p95,
                                             result.latency_ms.p99)),
        ("CPU a gift, Almoner with generator / pgbench",
         f"{result.cpu_us_per_gift:,.0f} / {_number(result.pgbench.cpu_us_per_gift)} µs"
         if result.pgbench else f"{result.cpu_us_per_gift:,.0f} µs"),
        ("CPU seconds", _cpu({**result.cpu_s, "(others)": result.others_cpu_s})),
        ("told", ", ".join(f"{count:,} x {status}" for status, count in result.told.items())),
        ("captured in our books / at the gateway",
         f"{result.proof.captured:,} / {result.proof.charged:,}"),
        ("verified", _verdict(verified=result.verified, differences=result.differences)),
    ]  # fmt: skip
    how = (
        f"{result.seconds:g} s, {result.connections} connections, generator "
        f"{result.generator}, gateway {result.settings['gateway_ms']} ms"
    )
    return _table("Gifts", rows, how, result.machine)


def list_table(result: ListResult) -> str:
    """The figures of the charity list."""
    rows = [
        ("Almoner, `GET /charities` a second", f"{result.requests_per_s:,.0f}"),
        ("nginx, the same bytes from a file", f"{result.nginx_per_s:,.0f}"),
        ("ratio", f"{result.ratio:.2f}"),
        ("latency p50 / p95 / p99", _latency(result.latency_ms.p50, result.latency_ms.p95,
                                             result.latency_ms.p99)),
        (
            "CPU an answer, Almoner / nginx",
            f"{result.cpu_us_per_request['almoner']:g} / {result.cpu_us_per_request['nginx']:g} µs",
        ),
        ("bytes of the answer", f"{result.body_bytes:,}"),
        ("CPU seconds", _cpu({**result.cpu_s, "(others)": result.others_cpu_s})),
        ("identical bytes", "yes" if result.identical_bytes else "NO"),
        ("verified", _verdict(verified=result.verified, differences=result.differences)),
    ]  # fmt: skip
    how = (
        f"{len(result.rounds)} rounds of {result.seconds:g} s in turn, {result.connections} "
        f"connections, generator wrk, nginx with {result.nginx_workers} worker(s)"
    )
    return _table("Charity list", rows, how, result.machine)


def _table(title: str, rows: list[tuple[str, str]], how: str, machine: Machine) -> str:
    lines = [f"| {title} | |", "| --- | ---: |"]
    lines += [f"| {name} | {value} |" for name, value in rows]
    where = (
        f"{machine.cores} cores ({machine.cpu}), {machine.memory_gib:g} GiB, {machine.filesystem} "
        f"(fdatasync {machine.fdatasync_us} µs), PostgreSQL {machine.postgres}, "
        f"Python {machine.python}, Linux {machine.kernel}, load before {machine.load:g}"
    )
    return "\n".join([*lines, "", how + ".", where + "."])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _latency(*percentiles_ms: float) -> str:
    return " / ".join(f"{ms:g}" for ms in percentiles_ms) + " ms"


def _cpu(used: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:g}" for name, seconds in sorted(used.items()))


def _verdict(*, verified: bool, differences: list[str]) -> str:
    return "yes" if verified else "NO: " + "; ".join(differences)
