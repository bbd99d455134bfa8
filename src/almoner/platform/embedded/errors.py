"""What can go wrong with the embedded servers. Every message is a sentence a person can act on."""

from __future__ import annotations

from pathlib import Path


class EmbeddedError(Exception):
    """Something about the embedded servers failed; the message says what and what to do."""


class DataDirUnusable(EmbeddedError):
    """The data directory cannot be read or written by this user, or holds damaged files."""


class DataDirInUse(EmbeddedError):
    """Another process holds the data directory's lock; nothing was touched."""

    def __init__(self, path: Path, pid: int | None) -> None:
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"The data in {path} is in use by {who}. Stop that one first, "
            "or give this one its own data directory with --data-dir."
        )
        self.path = path
        self.pid = pid


class NoServerUser(EmbeddedError):
    """Run as root, and there is no ordinary user for the servers to run as."""


class FolderOutOfReach(EmbeddedError):
    """The servers' user may not pass a folder, and no capability is left that would let it."""


class ProgramMissing(EmbeddedError):
    """The PostgreSQL or Valkey program is not among the installed packages."""


class WrongMajorVersion(EmbeddedError):
    """The data was made by another major version of PostgreSQL; nothing was changed."""


class AwaitsRebuild(EmbeddedError):
    """The database was restored, and the gateway was not asked since what it has forgotten."""


class ServerFailed(EmbeddedError):
    """A server did not start, or ended before it was ready."""
