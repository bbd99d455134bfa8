"""What keeps a benchmark from giving a figure."""

from __future__ import annotations


class BenchError(Exception):
    """The run could not be made; the text says why."""


class MissingProgram(BenchError):
    """A program of the system is not installed; the text names the command that installs it."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(
            f"`{program}` is not installed. As root: apt-get install -y {package}  "
            "(or run this command with --install)."
        )
