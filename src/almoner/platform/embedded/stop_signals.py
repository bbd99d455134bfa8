"""SIGINT, SIGTERM and SIGHUP, at any moment of a supervisor's life."""

from __future__ import annotations

import os
import select
import signal
import time
from types import FrameType, TracebackType
from typing import Any, Self

from almoner.platform.embedded.launch import STOP_SIGNALS

# A signal to a whole process group can reach us twice, from the terminal and through `make`.
HURRY_AFTER_SECONDS = 0.5


class StopRequested(KeyboardInterrupt):
    """Somebody wants us to stop. Raised once, wherever the main thread happens to be.

    A KeyboardInterrupt, because libraries such as psycopg clean up on that.
    """


class StopSignals:
    """While entered, the first stop signal raises `StopRequested`; later ones are only counted.

    So a signal in the middle of a start ends the start, and no signal ends the stopping. A
    second Ctrl-C sets `hurry`. Only usable in the main thread.
    """

    def __init__(self) -> None:
        self.hurry = False
        self._requested_at: float | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._awake, self._waker = -1, -1
        self._waker_before = -1

    @property
    def requested(self) -> bool:
        """Whether a stop signal has come."""
        return self._requested_at is not None

    def __enter__(self) -> Self:
        self._awake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._waker_before = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            # nohup has a program ignore SIGHUP on purpose; a shell that starts us in the
            # background ignores SIGINT for us, and must not.
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._on_stop)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _on_child)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._waker_before)
        os.close(self._awake)
        os.close(self._waker)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        now = time.monotonic()
        if self._requested_at is None:
            self._requested_at = now
            raise StopRequested
        if number == signal.SIGINT and now - self._requested_at > HURRY_AFTER_SECONDS:
            self.hurry = True

    def begin_stopping(self) -> None:
        """From now on no signal raises, also if we stop for a reason of our own."""
        if self._requested_at is None:
            self._requested_at = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep until a signal comes (a child's end is one too), at most so long.

        Raises `StopRequested` also when an earlier one was lost: Python drops what is raised
        while an object is being finalised.
        """
        if self.requested:
            raise StopRequested
        select.select([self._awake], [], [], seconds)
        try:
            while os.read(self._awake, 512):
                pass
        except BlockingIOError:
            return


def _on_child(number: int, frame: FrameType | None) -> None:
    """Nothing to do: that the signal came wakes `StopSignals.wait`."""
