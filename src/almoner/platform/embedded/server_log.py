"""The log file of a server: appended to, put aside when large, quoted when a start fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

ROTATE_ABOVE_BYTES = 10 * 1024 * 1024


class ServerLog:
    """A log file at `path`, and where in it the present run began."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._began_at = 0

    def open(self) -> IO[bytes]:
        """Open for appending; a file above 10 MB is first renamed to `<name>.1`."""
        if self.path.exists() and self.path.stat().st_size > ROTATE_ABOVE_BYTES:
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.fdopen(os.open(self.path, flags, 0o600), "ab", buffering=0)
        self._began_at = os.fstat(file.fileno()).st_size
        return file

    def tail(self, lines: int = 12) -> str:
        """The last lines of the present run, indented."""
        with self.path.open("rb") as file:
            file.seek(self._began_at)
            text = file.read().decode(errors="replace")
        return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
