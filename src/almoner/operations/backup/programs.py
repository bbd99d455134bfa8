"""Run PostgreSQL's own programs on a database, with no secret on their command line."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from almoner.operations.backup.errors import BackupError
from almoner.platform.embedded.programs import postgres_tool


async def run(name: str, *words: str | Path, database_url: str = "") -> str:
    """Run a program of the wheel to its end; gives what it said.

    Raises BackupError with its own words when it fails. Other users of the machine can read a
    command line: the password goes through the environment.
    """
    argv = [str(postgres_tool(name)), *(str(word) for word in words)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ALMONER_")}
    if database_url:
        given = conninfo_to_dict(database_url)
        if password := given.pop("password", None):
            environment["PGPASSWORD"] = str(password)
        argv += ["--dbname", make_conninfo("", **given)]
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=environment,
        umask=0o077,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complaint = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise BackupError(_sentence(name, complaint.decode(errors="replace").splitlines()))
    return said.decode(errors="replace")


def _sentence(name: str, lines: Sequence[str]) -> str:
    """What a program complained about, without the data that some of its lines quote."""
    told = [line for line in lines if line.startswith((f"{name}: error", f"{name}: detail"))]
    return f"{name} failed: {' '.join(told[:3]) or 'it said nothing about why.'}"
