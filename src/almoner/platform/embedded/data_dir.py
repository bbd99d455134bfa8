"""The data directory: one folder that holds everything `almoner serve` must not lose.

Inside: `lock`, `secret-key`, `runtime.json`, `postgres/` (the database), `postgres.log`,
`valkey.log`, `conf/` (who may connect) and `run/` (the sockets).
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from almoner.platform.embedded.errors import DataDirInUse, DataDirUnusable

SECRET_KEY_BYTES = 32


class Served(msgspec.Struct, frozen=True):
    """Settings of a running `serve` that a command beside it must go by, to tell the truth of it.

    Each as the setting of that name.
    """

    host: str
    limits: Literal["auto", "standard", "sandbox"]
    declines_percent: int
    declines_of: int


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """What a running supervisor tells other commands about its servers (`runtime.json`).

    `shared` says whether another command may use these servers: those of `serve` yes, those of
    a short command no, because they end with it. `run_dir_outside` is the socket folder when it
    is not below the data directory, so that the next start can remove it after a crash.
    """

    supervisor_pid: int
    shared: bool
    database_url: str | None = None
    sandbox_database_url: str | None = None
    redis_url: str | None = None
    run_dir_outside: str | None = None
    pids: dict[str, int] = {}
    served: Served | None = None


class DataDir:
    """A data directory at `path`; made, readable only by its owner, when it is not there.

    Raises `DataDirUnusable` when it cannot be made, entered or written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser().resolve()
        try:
            self.is_new = not self.path.exists()
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DataDirUnusable(
                f"The data directory {self.path} cannot be made: {error.strerror}."
            ) from error
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise DataDirUnusable(
                f"The data directory {self.path} belongs to another user. Run this as that user, "
                "or choose another folder with --data-dir."
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for this process; ends by itself when the process dies.

        Raises `DataDirInUse`, with the holder's pid, when another process has it.
        """
        descriptor = self._open_lock()
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DataDirInUse(self.path, self.holder_pid()) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _open_lock(self) -> int:
        try:
            return os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirUnusable(
                f"The lock file in {self.path} cannot be opened: {error.strerror}. "
                "Run this as the user who made the directory."
            ) from error

    def holder_pid(self) -> int | None:
        """The pid written by the last process that took the lock, None when unreadable."""
        try:
            return int((self.path / "lock").read_text())
        except (OSError, ValueError):
            return None

    def secret_key(self) -> str:
        """64 hex digits, made once from 32 random bytes and then the same for ever.

        Raises `DataDirUnusable` when the file is there but is not such a key: a new one would
        make every signed link and read token already given out worthless.
        """
        path = self.path / "secret-key"
        if not path.exists():
            self._make_secret_key(path)
        try:
            key = path.read_text().strip()
        except OSError as error:
            raise DataDirUnusable(f"{path} cannot be read: {error.strerror}.") from error
        if not re.fullmatch(rf"[0-9a-f]{{{SECRET_KEY_BYTES * 2}}}", key):
            raise DataDirUnusable(
                f"{path} does not hold a key of 64 hex digits. Put it back from a backup; "
                "only if there is none, remove it: links given out so far then stop working."
            )
        return key

    def _make_secret_key(self, path: Path) -> None:
        # link() instead of rename(): it fails when the name exists, so of two first starts
        # at once the second takes the key of the first and never replaces it.
        draft = path.with_name(f"secret-key.{os.getpid()}.{secrets.token_hex(4)}")
        write_durably(draft, secrets.token_hex(SECRET_KEY_BYTES) + "\n")
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
        fsync_folder(self.path)

    def write_runtime(self, runtime: Runtime) -> None:
        """Tell other commands where the servers are; replaces what was told before."""
        draft = self.path / "runtime.json.new"
        write_durably(draft, msgspec.json.encode(runtime).decode() + "\n")
        draft.replace(self.path / "runtime.json")

    def read_runtime(self) -> Runtime | None:
        """What the process that wrote `runtime.json` last said, None when there is nothing.

        It may be left over from a process that was killed: believe it only when
        `supervisor_pid` is the pid that holds the lock.
        """
        try:
            return msgspec.json.decode((self.path / "runtime.json").read_bytes(), type=Runtime)
        except (OSError, msgspec.MsgspecError):
            return None

    def remove_runtime(self) -> None:
        """Say that no servers run here any more."""
        (self.path / "runtime.json").unlink(missing_ok=True)


def write_durably(path: Path, text: str) -> None:
    """Write a file only its owner can read, and have it on the disk before returning."""
    # A new file each time: what stands there could be a link somebody else has set.
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def fsync_folder(path: Path) -> None:
    """Make renames and new names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
