"""Programs of the system that the benchmark runs beside ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from typing import Final

from almoner.bench.errors import BenchError, MissingProgram

PACKAGE_OF: Final = {"wrk": "wrk", "nginx": "nginx-light"}
"""Debian's package of each program."""

_PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
_INSTALL_SECONDS_MAX: Final = 300


def find(program: str) -> str:
    """The path of a program. Raises MissingProgram with the command that installs it."""
    found = shutil.which(program, path=_PATH)
    if found is None:
        raise MissingProgram(program, PACKAGE_OF[program])
    return found


def install(programs: Iterable[str]) -> None:
    """Install those that are missing with apt-get. Raises BenchError when that cannot be done."""
    missing = [PACKAGE_OF[name] for name in programs if shutil.which(name, path=_PATH) is None]
    if not missing:
        return
    if os.geteuid() != 0:
        raise BenchError(f"Only root may install: apt-get install -y {' '.join(missing)}")
    # RUNLEVEL=1 keeps Debian from starting the nginx that it installs (invoke-rc.d(8)).
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for argv in (
        ["apt-get", "update", "--quiet"],
        ["apt-get", "install", "--yes", "--no-install-recommends", *missing],
    ):
        done = subprocess.run(  # noqa: S603 - every word is ours
            argv,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS_MAX,
            check=False,
        )
        if done.returncode != 0:
            raise BenchError(f"{' '.join(argv)} failed:\n{done.stderr.strip()[-500:]}")
