"""`almoner bench give`: what its JSON holds, and that it cannot be deceived."""

from __future__ import annotations

import asyncio
import json

from typer.testing import CliRunner

from almoner.bench.give import GivePlan, measure_give
from almoner.bench.trial import Trial
from almoner.cli.bench import app
from almoner.platform.db import Database

DOCUMENTED = {
    "donations_per_s", "pgbench_per_s", "ratio", "latency_ms", "seconds", "connections",
    "generator", "verified", "differences", "told", "proof", "pgbench", "cpu_s",
    "cpu_us_per_gift", "others_cpu_s", "settings", "machine", "statements",
}  # fmt: skip


def test_a_short_run_is_verified_and_says_all_it_promises() -> None:
    """Every gift told as paid is in the books and at the gateway, and the server is durable."""
    done = CliRunner().invoke(
        app,
        ["give", "--json", "--seconds", "2", "--warm-up", "0", "--connections", "8",
         "--web-processes", "1", "--clients", "4"],
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert set(told) == DOCUMENTED
    assert told["verified"] is True
    assert told["told"]["201"] == told["proof"]["captured"] == told["proof"]["charged"] > 0
    assert told["pgbench"]["verified"] is True
    assert told["ratio"] > 0
    assert told["settings"]["fsync"] == told["settings"]["synchronous_commit"] == "on"
    assert set(told["latency_ms"]) >= {"p50", "p95", "p99"}
    assert set(told["machine"]) >= {"cores", "memory_gib", "cpu", "postgres", "python", "kernel"}
    assert set(told["cpu_s"]) >= {"postgres", "web", "generator"}


def test_a_charge_that_vanished_is_noticed() -> None:
    """One row less in the gateway's record, and the figure does not count."""
    plan = GivePlan(seconds=1, warm_up_s=0, connections=4, web_processes=1, reference=False)

    result = measure_give(plan, before_proof=_lose_one)

    assert not result.verified
    assert result.proof.charged == result.proof.captured - 1 == result.proof.told_paid - 1
    assert any("at the gateway" in difference for difference in result.differences)


def _lose_one(trial: Trial) -> None:
    """Delete a charge from the sandbox's own record."""

    async def delete() -> None:
        url = trial.runtime().sandbox_database_url
        assert url is not None
        database = Database(url, size=1)
        await database.open()
        try:
            async with database.transaction() as connection:
                await connection.execute(
                    "DELETE FROM sandbox_charge WHERE order_id = "
                    "(SELECT min(order_id) FROM sandbox_charge)"
                )
        finally:
            await database.close()

    asyncio.run(delete())
