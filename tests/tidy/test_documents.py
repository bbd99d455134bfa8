"""What the documents name is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from almoner.donations.status import STATUS_OF
from almoner.operations.invariants import CHECKS, INVARIANTS
from almoner.payments.attempt import AttemptState
from almoner.payments.declines import DONOR_WORDS
from tidy.project import DOCUMENTS, MADE, ROOT, SOURCE, name_of

INLINE_CODE = re.compile(r"`([^`\n]+)`")
TEST = re.compile(r"[\w./-]+\.(?:py|tsx?)::")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"[\w.@-]+(?:/[\w.@-]+)*/?")
CODE_FILE = re.compile(r".+\.(?:py|tsx?|mjs|md|toml|svg)")
TOP = {path.name for path in ROOT.iterdir()}
PACKAGES = {path.name for path in SOURCE.iterdir() if path.is_dir()}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_path_in_backticks_exists(document: Path) -> None:
    """A path of the project, below its root or below the package, or the bare name of a file."""
    named = INLINE_CODE.findall(document.read_text(encoding="utf-8"))

    assert [text for text in named if not _stands_for_something(text)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    """To a file, and to a heading in it where the link names one."""
    links = LINK.findall(document.read_text(encoding="utf-8"))

    assert [link for link in links if "://" not in link and not _leads(document, link)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_test_that_is_named_exists(document: Path) -> None:
    """`file::test`, in Python by its function and in TypeScript by its title."""
    named = [text for text in INLINE_CODE.findall(document.read_text("utf-8")) if TEST.match(text)]

    assert [text for text in named if not _is_test(text)] == []


def test_every_failure_names_its_tests() -> None:
    """Each line of each table that has a column for them; "each check" stands for one of them."""
    text = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
    untested, lines, sections = [], 0, text.split("\n## ")[1:]
    for section in sections:
        table = section.partition("| tests |\n")[2].partition("\n\n")[0].splitlines()[1:]
        lines += len(table)
        untested += [line for line in table if "::" not in line and "each check" not in line]

    assert lines > 200
    assert untested == []
    assert [s.partition("\n")[0] for s in sections if "| tests |" not in s] == ["Times"]


def test_the_states_are_those_of_the_database() -> None:
    """docs/reference/states.md against the migration, the live index and the public status."""
    first = importlib.import_module("almoner.migrations.versions.0004_before_payments")
    second = importlib.import_module("almoner.migrations.versions.0007_before_review")
    moves: dict[str, str] = {**first.TRANSITIONS}
    for state, nexts in second.ADDED.items():
        moves[state] = f"{moves.get(state, '')} {nexts}"
    rows = _table(ROOT / "docs" / "reference" / "states.md", "| state |")

    told = {row[0]: set(row[2].split()) for row in rows}
    live = {row[0] for row in rows if row[3] == "yes"}

    assert set(told) == {state.value for state in AttemptState}
    assert {state: nexts for state, nexts in told.items() if nexts} == {
        state: set(nexts.split()) for state, nexts in moves.items()
    }
    assert live == set(second.LIVE)
    assert {row[0]: row[4].strip("`") for row in rows} == dict(STATUS_OF)


@pytest.mark.parametrize("document", ["docs/money-safety.md", "docs/failures.md"])
def test_every_invariant_is_explained(document: str) -> None:
    """Under the name that `almoner check` gives it."""
    text = (ROOT / document).read_text(encoding="utf-8")

    assert [name for name in CHECKS if f"`{name}`" not in text] == []


def test_every_invariant_stands_at_its_number() -> None:
    """The table in docs/money-safety.md numbers as the code does."""
    rows = _table(ROOT / "docs" / "money-safety.md", "| number |")
    told = {int(row[0]): row[2] for row in rows}

    assert [
        check.name
        for invariant in INVARIANTS
        for check in invariant.checks
        if f"`{check.name}`" not in told[invariant.number]
    ] == []


def test_every_reason_of_a_decline_is_listed() -> None:
    """Clients decide by these codes."""
    text = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")

    assert [code for code in DONOR_WORDS if f"`{code}`" not in text] == []


def test_every_problem_of_the_code_is_listed() -> None:
    """The code of each Problem that is raised somewhere stands in docs/reference/api.md."""
    text = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    raised = re.compile(r"(?:Problem|__init__)\(\s*[45]\d\d,\s*\"([a-z_]+)\"")
    codes = {code for path in SOURCE.rglob("*.py") for code in raised.findall(path.read_text())}

    assert len(codes) > 10
    assert sorted(codes - {"metrics_not_public", "not_found"}) == [
        code for code in sorted(codes) if f"`{code}`" in text
    ]


def test_every_decision_is_in_the_index() -> None:
    """And each has its three parts, and numbers without a hole."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))

    for number, decision in enumerate(decisions, 1):
        text = decision.read_text(encoding="utf-8")
        assert decision.name.startswith(f"{number:04}-")
        assert f"decisions/{decision.name}" in index
        assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == [
            "Context", "Decision", "Consequences",
        ]  # fmt: skip


def _stands_for_something(text: str) -> bool:
    """Whether inline code is no path, or a path that exists."""
    if not PATH.fullmatch(text) or MADE & set(text.split("/")):
        return True
    first, slash, _ = text.partition("/")
    if slash and first in TOP:
        return (ROOT / text).exists()
    if slash and first in PACKAGES and (CODE_FILE.fullmatch(text) or text.endswith("/")):
        return (SOURCE / text).exists()
    if slash or not CODE_FILE.fullmatch(text):
        return True
    return (ROOT / text).exists() or _somewhere(text)


def _somewhere(name: str) -> bool:
    folders = (SOURCE, ROOT / "tests", ROOT / "frontend" / "src", ROOT / "docs")
    return any(next(folder.rglob(name), None) for folder in folders)


def _leads(document: Path, link: str) -> bool:
    path, _, heading = unquote(link).partition("#")
    target = (document.parent / path).resolve() if path else document
    if not target.exists() or not heading:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return heading in {
        re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings
    }


def _is_test(text: str) -> bool:
    path, _, name = text.partition("::")
    file = ROOT / path
    if not file.is_file():
        return False
    source = file.read_text(encoding="utf-8")
    return f"def {name}(" in source if path.endswith(".py") else f'"{name}"' in source


def _table(document: Path, head: str) -> list[list[str]]:
    """The rows of the table whose first line begins so, cell by cell."""
    lines = document.read_text(encoding="utf-8").split("\n")
    start = next(number for number, line in enumerate(lines) if line.startswith(head))
    rows: list[list[str]] = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return rows
