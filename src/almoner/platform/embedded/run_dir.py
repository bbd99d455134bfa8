"""The folder of the servers' sockets: short enough for a socket's address, closed to others."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from almoner.platform.embedded import postgres, valkey
from almoner.platform.embedded.errors import DataDirUnusable
from almoner.platform.embedded.launch import Identity

# sun_path of unix(7) has 108 bytes on Linux and 104 on other systems, with a final NUL.
SOCKET_PATH_BYTES_MAX = 103

_PREFIX = "almoner-"
_SOCKETS = (
    postgres.SOCKET_NAME,
    f"{postgres.SOCKET_NAME}.lock",
    valkey.SOCKET_NAME,
)


def make_run_dir(data_dir: Path, identity: Identity | None) -> Path:
    """`<data_dir>/run`, or a folder in the system's temporary directory when that is too long.

    Mode 0700 and owned by the user the servers run as. The second kind is new at every start
    and to be removed with `remove_run_dir`.
    """
    path = data_dir / "run"
    if _fits(path):
        path.mkdir(mode=0o700, exist_ok=True)
    else:
        path = _temporary_folder()
    if identity is not None:
        os.chown(path, identity.uid, identity.gid, follow_symlinks=False)
    elif path.stat().st_uid != os.geteuid():
        raise DataDirUnusable(
            f"{path} belongs to another user: the servers were last run as that user, or as root. "
            "Run this the same way again, or choose another folder with --data-dir."
        )
    path.chmod(0o700)
    return path


def _fits(path: Path) -> bool:
    # libpq takes a comma for the start of a second host.
    longest = os.fsencode(path / postgres.SOCKET_NAME)
    return len(longest) <= SOCKET_PATH_BYTES_MAX and b"," not in longest


def _temporary_folder() -> Path:
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes it private
        if _fits(Path(parent) / f"{_PREFIX}12345678"):
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)).resolve()
    raise DataDirUnusable(
        "No folder is short enough for the servers' sockets: set TMPDIR to a short one."
    )


def remove_run_dir(path: Path) -> None:
    """Remove a temporary run folder and the sockets left in it; never anything else."""
    if not path.name.startswith(_PREFIX):
        return
    for name in _SOCKETS:
        with suppress(OSError):
            (path / name).unlink(missing_ok=True)
    with suppress(OSError):
        path.rmdir()
