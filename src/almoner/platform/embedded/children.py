"""Keeping processes alive: our own program's and the servers'."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from almoner.platform.embedded.errors import EmbeddedError
from almoner.platform.embedded.launch import launch, stop_signals_held

# After the first end at once, then with more and more patience.
RESTART_DELAYS_S = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
# So long alive, and an end is a first end again.
STEADY_AFTER_S = 30.0

_log = structlog.get_logger()


class Watched(Protocol):
    """Something that runs and can be started again."""

    @property
    def name(self) -> str:
        """What people call it."""

    def is_alive(self) -> bool:
        """Whether it runs."""

    def start(self) -> None:
        """Start it. Raises `EmbeddedError` or `OSError` when that fails."""


class Child:
    """A process of our own program. It talks to our standard output and error.

    `argv` is seen by every user of the machine: secrets go into `env`.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        env: Mapping[str, str],
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self._argv = argv
        self._env = env
        self._pass_fds = pass_fds
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the running process, None when it does not run."""
        return self._process.pid if self._process is not None and self.is_alive() else None

    @property
    def exit_code(self) -> int | None:
        """How the last run ended (a negative number is the signal), None while it lasts."""
        return None if self._process is None else self._process.poll()

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process. Raises `OSError` when the program cannot be run."""
        with stop_signals_held():
            self._process = launch(
                self._argv,
                death_signal=signal.SIGTERM,
                env=self._env,
                pass_fds=self._pass_fds,
            )

    def ask_to_stop(self) -> None:
        """Send SIGTERM, if it runs."""
        if self._process is not None and self.is_alive():
            self._process.terminate()

    def kill(self) -> None:
        """End it and whatever it started in its process group; nothing when it does not run."""
        if self._process is not None and self.is_alive():
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def stop_children(
    children: Sequence[Child], seconds: float, hurry: Callable[[], bool] = lambda: False
) -> None:
    """Stop them all at once: asked (SIGTERM), after so many seconds or in a hurry killed."""
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + seconds
    while any(child.is_alive() for child in children):
        if time.monotonic() > deadline or hurry():
            break
        time.sleep(0.02)
    for child in children:
        child.kill()


@dataclass
class _Record:
    watched: Watched
    started_at: float
    ends: int = 0
    next_start_at: float | None = None


class Keeper:
    """Starts again what has died, with a growing pause when it keeps dying."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: list[_Record] = []

    def keep(self, *watched: Watched) -> None:
        """From now on look after these; they run already."""
        self._records += [_Record(one, self._clock()) for one in watched]

    def ends(self, watched: Watched) -> int:
        """How often it has ended lately, without having run steadily since."""
        return next(record.ends for record in self._records if record.watched is watched)

    def look(self) -> float:
        """Start what is due; the seconds until there may be something to do again."""
        for record in self._records:
            self._look_at(record)
        now = self._clock()
        planned = [record.next_start_at for record in self._records]
        due = [moment - now for moment in planned if moment is not None]
        return max(0.0, min([1.0, *due]))

    def _look_at(self, record: _Record) -> None:
        if record.watched.is_alive():
            if self._clock() - record.started_at > STEADY_AFTER_S:
                record.ends = 0
            return
        if record.next_start_at is None:
            self._plan(record, "ended")
        if record.next_start_at is not None and self._clock() >= record.next_start_at:
            self._start(record)

    def _plan(self, record: _Record, event: str, **more: str) -> None:
        delay_s = RESTART_DELAYS_S[min(record.ends, len(RESTART_DELAYS_S) - 1)]
        record.ends += 1
        record.next_start_at = self._clock() + delay_s
        _log.warning(event, process=record.watched.name, again_in_s=delay_s, **more)

    def _start(self, record: _Record) -> None:
        record.next_start_at = None
        record.started_at = self._clock()
        try:
            record.watched.start()
        except (EmbeddedError, OSError, subprocess.SubprocessError) as error:
            self._plan(record, "start_failed", error=str(error))
        else:
            _log.info("started_again", process=record.watched.name)
