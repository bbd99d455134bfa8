"""The reference: `pgbench` writing the same rows, one donation at a time, in two transactions."""

from __future__ import annotations

import asyncio
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from almoner.bench import queries
from almoner.bench.cpu import cpu_s, ended_children_s, machine_busy_s, others_s, since
from almoner.bench.errors import BenchError
from almoner.charities.seed_demo import seed_demo
from almoner.migrations.run import upgrade
from almoner.operations.invariants import INVARIANTS
from almoner.operations.view import View
from almoner.platform.db import Database
from almoner.platform.embedded.cluster import SERVER_ENVIRONMENT
from almoner.platform.embedded.data_dir import DataDir
from almoner.platform.embedded.programs import postgres_programs
from almoner.platform.embedded.servers import MAIN_DATABASE, PrivateServers

SCRIPT: Final = Path(__file__).with_name("row_by_row.sql")
ROWS_PER_DONATION: Final = {
    "idempotency_record": 1, "donor": 1, "donation": 1, "payment_attempt": 1,
    "gateway_operation": 1, "ledger_entry": 2, "event": 1,
}  # fmt: skip

_MEASURED: Final = "almoner_measured"
_TRIED: Final = "almoner_tried"
_THREADS: Final = 2
_BY_INDEX: Final = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
"""The plans that Almoner's own writers ask for; without them the reference would be slower."""


class Reference(Struct, frozen=True):
    """What pgbench reached with the number of clients that suited it best.

    `tried` is donations a second by number of clients in the short runs that chose it. `verified`
    says that every table holds the rows of every donation, and that every invariant holds.
    """

    donations_per_s: float
    clients: int
    seconds: float
    latency_ms_mean: float
    donations: int
    tried: dict[str, float]
    verified: bool
    faults: list[str]
    cpu_s: dict[str, float]
    cpu_us_per_gift: float
    others_cpu_s: float
    settings: dict[str, str]


class _Run(Struct, frozen=True):
    per_s: float
    donations: int
    latency_ms: float
    cpu_s: dict[str, float]
    others_cpu_s: float


def measure(
    *, seconds: float, warm_up_s: float, clients: Sequence[int], trial_s: float
) -> Reference:
    """Run the reference on a private server of its own. Raises BenchError.

    Each number of clients is tried for `trial_s`; the best then runs on a fresh database.
    """
    with tempfile.TemporaryDirectory(prefix="almoner-bench-") as folder:
        data_dir = DataDir(Path(folder) / "data")
        with data_dir.locked():
            servers = PrivateServers(data_dir, cache=False)
            try:
                servers.start()
                bench = _Pgbench(servers)
                return bench.measure(seconds, warm_up_s, clients, trial_s)
            finally:
                servers.stop()


class _Pgbench:
    def __init__(self, servers: PrivateServers) -> None:
        if servers.postgres is None or servers.postgres.pid is None:
            raise BenchError("The reference has no server.")
        self._postgres = servers.postgres
        self._pid = servers.postgres.pid

    def measure(
        self, seconds: float, warm_up_s: float, clients: Sequence[int], trial_s: float
    ) -> Reference:
        charity_ids = self._prepare()
        tried = self._try(charity_ids, clients, trial_s)
        best = max(tried, key=lambda count: tried[count]) if tried else clients[0]
        written = 0
        if warm_up_s > 0:
            written += self._run(_MEASURED, charity_ids, best, warm_up_s).donations
        found = self._run(_MEASURED, charity_ids, best, seconds)
        settings, faults = asyncio.run(self._verify(written + found.donations))
        return Reference(
            donations_per_s=round(found.per_s, 1),
            clients=best,
            seconds=seconds,
            latency_ms_mean=found.latency_ms,
            donations=written + found.donations,
            tried={str(count): round(per_s, 1) for count, per_s in tried.items()},
            verified=not faults,
            faults=faults,
            cpu_s=found.cpu_s,
            cpu_us_per_gift=round(sum(found.cpu_s.values()) / max(1, found.donations) * 1e6, 1),
            others_cpu_s=found.others_cpu_s,
            settings=settings,
        )

    def _try(self, charity_ids: range, clients: Sequence[int], trial_s: float) -> dict[int, float]:
        if len(clients) < 2:
            return {}
        return {count: self._run(_TRIED, charity_ids, count, trial_s).per_s for count in clients}

    def _prepare(self) -> range:
        """Three databases of the same schema: one is copied twice."""
        url = self._postgres.url(MAIN_DATABASE)
        upgrade(url)
        return asyncio.run(self._fill(url))

    async def _fill(self, url: str) -> range:
        database = Database(url, size=1)
        await database.open()
        try:
            await seed_demo(database)
            ids = await queries.charity_ids(database)
        finally:
            await database.close()
        if ids != list(range(ids[0], ids[-1] + 1)):
            raise BenchError("The demo charities are not numbered in one row.")
        admin = Database(self._postgres.url("postgres"), size=1)
        await admin.open()
        try:
            for name in (_TRIED, _MEASURED):
                await queries.copy_database(admin, MAIN_DATABASE, name)
            await queries.make_durable(admin)
        finally:
            await admin.close()
        return range(ids[0], ids[-1] + 1)

    def _run(self, database: str, charity_ids: range, clients: int, seconds: float) -> _Run:
        argv: list[str | Path] = [
            postgres_programs().postgres.with_name("pgbench"),
            *("--no-vacuum", "--protocol=prepared", f"--client={clients}"),
            *(f"--jobs={min(_THREADS, clients)}", f"--time={max(1, round(seconds))}"),
            *(
                f"--define=charity_first={charity_ids[0]}",
                f"--define=charity_last={charity_ids[-1]}",
            ),
            *(f"--file={SCRIPT}", self._postgres.url(database)),
        ]
        busy_s, ended_s = machine_busy_s(), ended_children_s()
        before = cpu_s({"postgres": [self._pid]})
        with subprocess.Popen(  # noqa: S603 - every word is ours
            argv,
            env={**SERVER_ENVIRONMENT, "PGOPTIONS": _BY_INDEX},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                said, complaints = process.communicate(timeout=seconds + 60)
            finally:
                process.kill()
        used = since(before, cpu_s({"postgres": [self._pid]}))
        used["pgbench"] = round(ended_children_s() - ended_s, 2)
        if process.returncode != 0:
            raise BenchError(f"pgbench ended with {process.returncode}:\n{complaints[-800:]}")
        return _Run(
            per_s=_number(r"tps = ([\d.]+)", said),
            donations=int(_number(r"actually processed: (\d+)", said)),
            latency_ms=round(_number(r"latency average = ([\d.]+)", said), 2),
            cpu_s=used,
            others_cpu_s=others_s(busy_s, used),
        )

    async def _verify(self, written: int) -> tuple[dict[str, str], list[str]]:
        database = Database(self._postgres.url(_MEASURED), size=1)
        await database.open()
        try:
            found = await queries.count_rows(database)
            faults = [
                f"{table}: {found[table]} rows instead of {written * count}"
                for table, count in ROWS_PER_DONATION.items()
                if found[table] != written * count
            ]
            for invariant in INVARIANTS:
                faults += [
                    f"{finding.name}: {finding.breaches} times"
                    async for finding in invariant.look(View(database))
                    if not finding.holds
                ]
            return await queries.server_settings(database), faults
        finally:
            await database.close()


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise BenchError(f"pgbench did not tell what it reached:\n{text[-800:]}")
    return float(found[1])
