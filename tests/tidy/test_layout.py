"""The tree tells the flow: no file is named after a layer."""

from __future__ import annotations

from pathlib import Path

from tidy.project import MADE, ROOT, SOURCE, name_of

FORBIDDEN = {
    "service",
    "services",
    "utils",
    "util",
    "helpers",
    "helper",
    "manager",
    "common",
    "misc",
}
LINES_MAX = 400


def files() -> list[Path]:
    """Every source file of ours."""
    roots = (SOURCE, ROOT / "tests", ROOT / "frontend" / "src", ROOT / "frontend" / "tests")
    found = (path for root in roots for path in root.rglob("*"))
    kinds = {".py", ".ts", ".tsx"}
    return [path for path in found if path.suffix in kinds and not MADE & set(path.parts)]


def test_no_file_is_named_after_a_layer() -> None:
    """A file that is named for what it does has a reason to stop growing."""
    named = [name_of(path) for path in files() if path.name.split(".")[0].lower() in FORBIDDEN]

    assert named == []


def test_no_module_grows_without_end() -> None:
    """Four hundred lines; then a pure piece is taken out beside it."""
    long = [name_of(path) for path in SOURCE.rglob("*.py") if _lines(path) > LINES_MAX]

    assert long == []


def test_every_module_says_what_it_is_for() -> None:
    """A first line in quotes."""
    silent = [
        name_of(path)
        for path in SOURCE.rglob("*.py")
        if not path.read_text(encoding="utf-8").startswith('"""')
    ]

    assert silent == []


def _lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")
