"""`make chaos`: a long campaign, and its table. Exit code 1 when anything is broken."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chaos.campaign import Plan, Result, run


def main() -> int:
    """Run one campaign and print what it showed."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--donations", type=int, default=10_000)
    parser.add_argument("--donors", type=int, default=64)
    parser.add_argument("--seconds-max", type=float, default=1_500)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    console = Console(highlight=False)
    plan = Plan(given.donations, given.donors, given.seconds_max, given.every, given.seed)
    with tempfile.TemporaryDirectory(prefix="almoner-chaos-") as folder:
        Path(folder).chmod(0o755)  # the servers run as a user of their own
        result = asyncio.run(run(plan, Path(folder) / "data", console.print))
    _print(console, plan, result)
    return int(bool(result.audit.breaches or result.check_code or result.missing))


def _print(console: Console, plan: Plan, result: Result) -> None:
    for title, rows in (
        ("Faults", result.faults),
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
    for name in result.missing:
        console.print(f"  the fault '{name}' never happened", markup=False)


if __name__ == "__main__":
    sys.exit(main())
