"""Seconds of CPU that processes used, from `/proc` (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(roots: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """For each name, what the trees of processes below its pids have used so far, in seconds.

    A process that has ended counts with whoever waited for it, so that the short-lived children
    of PostgreSQL are not lost.
    """
    used, children = _processes()
    return {
        name: sum(used.get(pid, 0) for root in pids for pid in _tree(root, children)) / _TICKS_PER_S
        for name, pids in roots.items()
    }


def since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What was used between two looks."""
    return {name: round(after[name] - before.get(name, 0.0), 2) for name in after}


def machine_busy_s() -> float:
    """CPU used by everybody on this machine so far, time stolen by its host included."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(word) for word in words[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS_PER_S


def ended_children_s() -> float:
    """CPU used by children of ours that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def others_s(busy_before_s: float, used: Mapping[str, float]) -> float:
    """CPU that went to somebody else since `busy_before_s`: what disturbed a run."""
    return round(max(0.0, machine_busy_s() - busy_before_s - sum(used.values())), 2)


def children_of(pid: int) -> list[int]:
    """The direct children of a process."""
    return _processes()[1].get(pid, [])


def words_of(pid: int) -> list[str]:
    """The command line of a process, empty when it is gone."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [word.decode(errors="replace") for word in line.split(b"\0") if word]


def _processes() -> tuple[dict[int, int], dict[int, list[int]]]:
    """Ticks used by each process, and the children of each."""
    used: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name in parentheses may hold anything, also spaces and parentheses.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(entry.name)
        used[pid] = sum(int(field) for field in fields[11:15])
        children.setdefault(int(fields[1]), []).append(pid)
    return used, children


def _tree(pid: int, children: Mapping[int, list[int]]) -> Iterator[int]:
    yield pid
    for child in children.get(pid, []):
        yield from _tree(child, children)
