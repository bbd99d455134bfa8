"""The machine a figure was made on, without its name."""

from __future__ import annotations

import os
import platform
import statistics
import time
from pathlib import Path

from msgspec import Struct

_SYNCS = 64
_PAGE = b"\0" * 8192


class Machine(Struct, frozen=True):
    """What a figure depends on. `load` is the load average over a minute before the run.

    `fdatasync_us` is the median time to make one 8 KiB page durable where the databases lie;
    much below 50 means that something between us and the disk answers before it is written.
    """

    cores: int
    memory_gib: float
    cpu: str
    kernel: str
    python: str
    postgres: str
    filesystem: str
    fdatasync_us: int
    load: float


def describe(folder: Path, postgres: str) -> Machine:
    """This machine; `folder` is where the databases lie, `postgres` the server's version."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(pages / 2**30, 1),
        cpu=_cpu_model(),
        kernel=platform.release(),
        python=platform.python_version(),
        postgres=postgres,
        filesystem=_filesystem(folder),
        fdatasync_us=_fdatasync_us(folder),
        load=round(os.getloadavg()[0], 2),
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()


def _filesystem(folder: Path) -> str:
    """The kind of the filesystem: the longest mount point above the folder counts."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split()
        if folder.resolve().is_relative_to(mount) and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]


def _fdatasync_us(folder: Path) -> int:
    path = folder / "fdatasync"
    taken: list[float] = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(_SYNCS):
            os.pwrite(descriptor, _PAGE, 0)
            started = time.perf_counter()
            os.fdatasync(descriptor)
            taken.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
        path.unlink()
    return round(statistics.median(taken) * 1e6)
