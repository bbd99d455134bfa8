"""Every command explains itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from almoner.cli import app
from tidy.project import ROOT


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of each command and group, the program itself first."""
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


COMMANDS = list(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...]) -> None:
    """`--help` works without servers or settings, and says more than its name."""
    result = CliRunner().invoke(app, [*words, "--help"])

    assert result.exit_code == 0, result.output
    assert "Usage" in result.output
    assert len(result.output) > 300


def test_every_command_is_in_the_reference() -> None:
    """docs/reference/cli.md leaves none out."""
    text = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    groups = {words[:-1] for words in COMMANDS if words}

    missing = [
        words
        for words in COMMANDS
        if words not in groups and f"`almoner {' '.join(words)}" not in text
    ]

    assert missing == []
