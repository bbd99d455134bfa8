"""Versions, licence and change log agree with each other."""

from __future__ import annotations

import hashlib
import subprocess
import tomllib

import almoner
from almoner.migrations.run import head
from almoner.platform.schema import REVISION
from tidy.project import ROOT, SOURCE

AGPL_SHA256 = "8486a10c4393cee1c25392769ddd3b2d6c242d6ec7928e1414efff7dfb2f07ef"
"""The text of 19 November 2007, with the addresses by https."""


def test_the_version_is_the_same_everywhere() -> None:
    """In the package and in what it is built from."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["version"] == almoner.__version__


def test_the_program_needs_the_newest_schema() -> None:
    """`REVISION` is the newest migration's, by Alembic and by the name of its file."""
    newest = max((SOURCE / "migrations" / "versions").glob("[0-9]*.py"))

    assert head() == REVISION
    assert newest.name.startswith(f"{REVISION}_")


def test_a_migration_says_when_it_runs() -> None:
    """Before or after the code, in its name."""
    names = [path.name for path in (SOURCE / "migrations" / "versions").glob("[0-9]*.py")]

    assert [name for name in names if name.split("_")[1] not in {"before", "after"}] == []


def test_the_licence_is_whole() -> None:
    """The text as it is published, and the same licence in the package's data."""
    text = (ROOT / "LICENSE").read_bytes()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert hashlib.sha256(text).hexdigest() == AGPL_SHA256
    assert project["license"] == "AGPL-3.0-or-later"


def test_the_change_log_has_a_place_for_the_next_change() -> None:
    """Keep a Changelog: what is not released yet stands on top."""
    headings = [
        line
        for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n")
        if line.startswith("## ")
    ]

    assert headings[0] == "## [Unreleased]"


def test_the_simulation_needs_no_browser() -> None:
    """`make simulate` installs what it runs on; nothing of the pages."""
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", "simulate"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "simulation.campaign" in told
    assert "chromium" not in told
    assert "npm" not in told
