"""`almoner bench`: how fast, beside what, and whether nothing was lost."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

app = typer.Typer(help="Measure Almoner beside a reference.", no_args_is_help=True)

NOT_VERIFIED = 1
CANNOT_RUN = 2

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object for scripts.")]
InstallFlag = Annotated[
    bool, typer.Option("--install", help="As root: install wrk and nginx with apt-get if missing.")
]
WebProcesses = Annotated[int, typer.Option(min=1, max=64, help="Number of web processes.")]


class Generator(StrEnum):
    """What makes the load."""

    OWN = "own"
    WRK = "wrk"


@app.callback()
def bench() -> None:
    """Measure Almoner beside a reference, on servers started for this and gone afterwards.

    Takes about a minute each. Nothing else should run meanwhile.
    """


@app.command()
def give(  # noqa: PLR0917 - Typer passes options by name
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Measured time.")] = 15,
    connections: Annotated[int, typer.Option(min=1, max=2000, help="Donors at once.")] = 512,
    warm_up: Annotated[float, typer.Option(min=0, max=60, help="Time before, uncounted.")] = 3,
    web_processes: WebProcesses = 2,
    generator: Annotated[
        Generator, typer.Option(help="own reads and checks every answer; wrk counts statuses.")
    ] = Generator.OWN,
    reference: Annotated[bool, typer.Option(help="Run pgbench beside it.")] = True,
    clients: Annotated[
        list[int] | None,
        typer.Option(min=1, max=90, help="Clients of pgbench to try (8 16 32 64); best counts."),
    ] = None,
    statements: Annotated[
        bool, typer.Option("--statements", help="Add the costliest SQL statements to the JSON.")
    ] = False,
    install: InstallFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Gifts a second through HTTP, against pgbench writing the same rows one gift at a time.

    Every gift is durable (fsync on), takes a sandbox gateway of 50 ms, and is compared afterwards
    with the books, with `almoner check` and with the sandbox's own record.

    Exit codes: 0 measured and verified, 1 something is missing or doubled (the figure does not
    count), 2 it could not be run.
    """
    from almoner.bench.give import GivePlan, measure_give
    from almoner.bench.table import give_table

    plan = GivePlan(
        seconds=seconds, warm_up_s=warm_up, connections=connections, web_processes=web_processes,
        generator=generator.value, reference=reference, statements=statements,
        clients=tuple(clients or (8, 16, 32, 64)),
    )  # fmt: skip
    programs = ("wrk",) if generator is Generator.WRK else ()
    with _running(programs, install=install) as say:
        result = measure_give(plan, say)
    _end(result, give_table(result), as_json=as_json, verified=result.verified)


@app.command("list")
def list_(
    seconds: Annotated[float, typer.Option(min=1, max=120, help="Length of one round.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds, in turn.")] = 4,
    connections: Annotated[int, typer.Option(min=1, max=2000, help="Visitors at once.")] = 64,
    web_processes: WebProcesses = 2,
    install: InstallFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """GET /charities a second, against nginx serving the same bytes from a file.

    Needs wrk and nginx (Debian: nginx-light). Exit codes: 0 measured, 1 the two did not serve the
    same or requests failed (the figure does not count), 2 it could not be run.
    """
    from almoner.bench.list_charities import PROGRAMS, ListPlan, measure_list
    from almoner.bench.table import list_table

    plan = ListPlan(
        seconds=seconds, rounds=rounds, connections=connections, web_processes=web_processes
    )
    with _running(PROGRAMS, install=install) as say:
        result = measure_list(plan, say)
    _end(result, list_table(result), as_json=as_json, verified=result.verified)


@contextmanager
def _running(programs: tuple[str, ...], *, install: bool) -> Iterator[Callable[[str], object]]:
    """Show what goes on, on standard error; turn what keeps us from running into exit code 2."""
    from almoner.bench.errors import BenchError
    from almoner.bench.programs import find
    from almoner.bench.programs import install as install_programs
    from almoner.platform.embedded.errors import EmbeddedError

    # Stopped in the middle, everything that was started is still stopped and removed.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("starting", total=None)
            if install:
                progress.update(task, description="installing")
                install_programs(programs)
            for program in programs:
                find(program)
            yield lambda text: progress.update(task, description=text)
    except (BenchError, EmbeddedError) as error:
        console.print(str(error), markup=False)
        raise typer.Exit(CANNOT_RUN) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(result: Any, table: str, *, as_json: bool, verified: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(result)))
    else:
        typer.echo(table)
    if not verified:
        raise typer.Exit(NOT_VERIFIED)
