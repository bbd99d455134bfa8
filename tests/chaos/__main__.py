"""`make chaos`: a long campaign, and its table. Exit code 1 when anything is broken."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chaos.campaign import Plan, Result, run

INTERRUPTED = 130


def main() -> int:
    """Run one campaign and print what it showed."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--donations", type=int, default=10_000)
    parser.add_argument("--donors", type=int, default=64)
    parser.add_argument("--seconds-max", type=float, default=3_600)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    console = Console(highlight=False)
    # Our own connections see the outages too; what becomes of that is in the table.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    plan = Plan(given.donations, given.donors, given.seconds_max, given.every, given.seed)
    with tempfile.TemporaryDirectory(prefix="almoner-chaos-") as folder:
        Path(folder).chmod(0o755)  # the servers run as a user of their own
        try:
            result = asyncio.run(_until_stopped(plan, Path(folder) / "data", console))
        except (KeyboardInterrupt, asyncio.CancelledError):
            console.print("stopped; everything that was started or mounted is gone")
            return INTERRUPTED
    _print(console, plan, result)
    return 0 if result.holds else 1


async def _until_stopped(plan: Plan, data_dir: Path, console: Console) -> Result:
    """The campaign; SIGTERM ends it as Ctrl-C does, with everything tidied away."""
    task = asyncio.ensure_future(run(plan, data_dir, console.print))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _print(console: Console, plan: Plan, result: Result) -> None:
    for title, rows in (
        ("Faults", result.faults),
        ("Faults of the gateway, as its own record counts them", result.gateway),
        ("Answers", result.answers),
        ("Three truths", result.audit.counts),
    ):
        table = Table(title=title, title_justify="left")
        table.add_column("what")
        table.add_column("count", justify="right")
        for name, count in rows.items():
            table.add_row(name, f"{count:,}")
        console.print(table)
    held = sum(1 for check in result.checked["checks"] if check["holds"])
    console.print(
        f"seed {plan.seed}: {result.seconds:.0f} s, {held} of {len(result.checked['checks'])} "
        f"checks of `almoner check` hold, {result.checked['attempts_open']} attempts open, "
        f"{len(result.audit.breaches)} breaches found by the audit"
    )
    for breach in result.audit.breaches[:50]:
        console.print(f"  BROKEN {breach}", markup=False)
    for check in result.checked["checks"]:
        if check["holds"] is False:
            console.print(f"  BROKEN check {check}", markup=False)
    for name in result.missing:
        console.print(f"  never happened: {name}", markup=False)
    if result.left_out:
        console.print(f"  left out, {result.left_out}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
