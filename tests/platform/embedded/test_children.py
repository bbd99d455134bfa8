"""Keeping things alive: how soon, how often, and how they are stopped."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from pathlib import Path

from almoner.platform.embedded.children import RESTART_DELAYS_S, Child, Keeper, stop_children
from almoner.platform.embedded.errors import ServerFailed

from .conftest import eventually, is_running

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)",
]


class Mortal:
    """Dies when told to, and may refuse to start."""

    name = "mortal"

    def __init__(self, now: list[float]) -> None:
        self.alive = True
        self.fails = False
        self.starts: list[float] = []
        self._now = now

    def is_alive(self) -> bool:
        return self.alive

    def start(self) -> None:
        self.starts.append(self._now[0])
        if self.fails:
            raise ServerFailed("not today")
        self.alive = True


def _keeper(now: list[float]) -> tuple[Keeper, Mortal]:
    keeper, mortal = Keeper(clock=lambda: now[0]), Mortal(now)
    keeper.keep(mortal)
    return keeper, mortal


def test_the_first_end_is_mended_at_once() -> None:
    """Nobody waits for a server that died once."""
    keeper, mortal = _keeper([0.0])
    mortal.alive = False

    keeper.look()

    assert mortal.alive
    assert keeper.ends(mortal) == 1


def test_what_keeps_dying_is_tried_less_and_less_often() -> None:
    """Each pause is as long as the list says, and the last one for ever."""
    now = [0.0]
    keeper, mortal = _keeper(now)
    for _ in range(4000):
        mortal.alive = False
        keeper.look()
        now[0] += 0.01

    pauses = [later - earlier for earlier, later in pairwise(mortal.starts)]
    assert [round(pause, 1) for pause in pauses[:6]] == [0.3, 0.5, 1.0, 2.0, 5.0, 10.0]
    assert len(RESTART_DELAYS_S) == 7


def test_a_failed_start_is_tried_again() -> None:
    """A server that cannot start now may in a second; nothing else suffers."""
    now = [0.0]
    keeper, mortal = _keeper(now)
    mortal.alive, mortal.fails = False, True
    pause_s = keeper.look()
    mortal.fails = False
    now[0] += pause_s

    keeper.look()

    assert mortal.alive
    assert len(mortal.starts) == 2


def test_a_steady_run_is_forgiven() -> None:
    """After half a minute alive the next end counts as the first."""
    now = [0.0]
    keeper, mortal = _keeper(now)
    mortal.alive = False
    keeper.look()
    now[0] += 31
    keeper.look()

    assert keeper.ends(mortal) == 0


def test_a_child_has_a_process_group_of_its_own() -> None:
    """So Ctrl-C in a terminal reaches the supervisor alone."""
    child = Child("sleeper", SLEEP, dict(os.environ))
    child.start()
    assert child.pid is not None

    group = os.getpgid(child.pid)

    assert group == child.pid != os.getpgid(0)
    stop_children([child], 5)
    assert child.exit_code == -15


def test_a_child_that_does_not_listen_is_killed() -> None:
    """Stopping is bounded, whatever the child thinks."""
    child = Child("deaf", DEAF, dict(os.environ))
    child.start()
    pid = child.pid
    assert pid is not None
    eventually(lambda: _ignores_sigterm(pid))

    stop_children([child], 0.2)

    assert child.exit_code == -9
    assert not is_running(pid)
    stop_children([child], 0.2)


def _ignores_sigterm(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    ignored = next(line for line in lines if line.startswith("SigIgn"))
    return bool(int(ignored.split()[1], 16) & 1 << 14)
