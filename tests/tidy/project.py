"""Where things are, for the tidy tests."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "almoner"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
MADE = {".venv", "node_modules", "dist", ".almoner"}
"""Folders that the set-up or a run makes; a document may name what is in them."""


def name_of(path: Path) -> str:
    """A path below the project, for the name of a test."""
    return path.relative_to(ROOT).as_posix()
