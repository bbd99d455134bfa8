"""Starting a child process that cannot outlive us.

Every child has its own process group, so that Ctrl-C in a terminal reaches the supervisor alone,
and a parent-death signal, so that `kill -9` of the supervisor leaves nothing running.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# <linux/prctl.h>, <linux/securebits.h>, <linux/capability.h>
PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522

STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


@dataclass(frozen=True, slots=True)
class Identity:
    """The user a server runs as when we are root, and the one capability it may need.

    `capability` is a number of `capabilities(7)`, None for none at all.
    """

    user_name: str
    uid: int
    gid: int
    capability: int | None = None


@contextmanager
def stop_signals_held() -> Iterator[None]:
    """Let no stop signal come between starting a child and remembering it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def launch(
    argv: Sequence[str | Path],
    *,
    death_signal: signal.Signals,
    identity: Identity | None = None,
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `argv` as a direct child that gets `death_signal` when we die.

    Call it from the main thread: Linux sends the signal when the *thread* that started the
    child ends (prctl(2)). `output` takes what the child says; without it the child shares our
    standard output and error. Raises `OSError` when the program cannot be run.
    """
    supervisor_pid = os.getpid()

    def prepare() -> None:
        if identity is not None:
            _become(identity)
        # After the change of user, which would clear it.
        _prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != supervisor_pid:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    return subprocess.Popen(  # noqa: S603 - callers pass programs of ours
        [str(word) for word in argv],
        # A hook between fork and exec is the one place where a child can tie itself to us
        # before it is another program; it calls the C library and nothing that takes a lock.
        preexec_fn=prepare,  # noqa: PLW1509
        env=None if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=pass_fds,
        process_group=0,
        cwd=None if identity is None else "/",
    )


def _become(identity: Identity) -> None:
    """Give up root for good, keeping one capability when the identity has one."""
    if identity.capability is not None:
        # access(2) asks with the real uid and, without this bit, with no capabilities at all;
        # PostgreSQL uses it to find its own program.
        _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    if identity.capability is not None:
        _keep_only(identity.capability)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def _keep_only(capability: int) -> None:
    low, high = (1 << capability) & 0xFFFFFFFF, (1 << capability) >> 32
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(low, low, low, high, high, high)
    _checked(_libc.capset(header, sets))
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def _prctl(option: int, first: int, second: int = 0) -> None:
    _checked(_libc.prctl(option, first, second, 0, 0))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def wait_for_exit(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait until the process has ended, at most so long; say whether it has."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
