"""`almoner charities` as a person or a script uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from almoner.cli.charities import app
from charities.conftest import irs_row
from support.installation import SECRET_KEY

Almoner = Callable[..., Result]


@pytest.fixture
def almoner_charities(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Almoner:
    """Runs the command on a fresh database."""
    monkeypatch.setenv("ALMONER_DATABASE_URL", database_url)
    monkeypatch.setenv("ALMONER_REDIS_URL", redis_url)
    monkeypatch.setenv("ALMONER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ALMONER_SECRET_KEY", SECRET_KEY)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


def test_import_tells_what_it_did(
    almoner_charities: Almoner, irs_file: Callable[..., Path]
) -> None:
    """Counts, and each bad row with its line; code 0."""
    path = irs_file(irs_row(), irs_row(EIN="x"), irs_row(EIN="000000002", STATUS="25"))

    result = almoner_charities("import", path)

    assert result.exit_code == 0, result.output
    assert "3 rows read" in result.output
    assert "1 added" in result.output
    assert "1 skipped: not in force" in result.output
    assert "eo.csv:3: EIN 'x' is not nine digits" in result.output


def test_import_for_scripts(
    almoner_charities: Almoner, irs_file: Callable[..., Path], tmp_path: Path
) -> None:
    """One JSON object; the report holds every bad row, also beyond the first twenty."""
    path, report = irs_file(irs_row(), *[irs_row(EIN="x")] * 30), tmp_path / "bad.jsonl"

    result = almoner_charities("import", path, "--register", "irs", "--json", "--report", report)

    told = json.loads(result.stdout)
    assert (told["read"], told["added"], told["bad"], len(told["bad_rows"])) == (31, 1, 30, 20)
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert len(rows) == 30
    assert rows[0] == {"file": "eo.csv", "line": 3, "reason": "EIN 'x' is not nine digits"}


def test_a_file_of_another_kind_is_refused_before_anything_is_written(
    almoner_charities: Almoner, irs_file: Callable[..., Path], tmp_path: Path
) -> None:
    """Code 2, also when the first file was fine."""
    other = tmp_path / "other.csv"
    other.write_text("a,b\n")

    result = almoner_charities("import", irs_file(irs_row()), other)

    assert result.exit_code == 2
    assert "none of the known headers" in result.output
    assert json.loads(almoner_charities("list", "--json").stdout) == {"items": []}


def test_demo_and_list(almoner_charities: Almoner) -> None:
    """What `serve` runs on its first start, and a look at it."""
    assert json.loads(almoner_charities("demo", "--if-empty", "--json").stdout) == {"written": 42}
    assert json.loads(almoner_charities("demo", "--if-empty", "--json").stdout) == {"written": 0}

    result = almoner_charities("list", "--q", "unicfe", "--json")

    assert json.loads(result.stdout)["items"][0]["slug"] == "unicef-usa"
    assert "American Red Cross" in almoner_charities("list").output


def test_without_a_database_it_says_so(
    almoner_charities: Almoner, irs_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 1 and a sentence, no trace."""
    monkeypatch.setenv("ALMONER_DATABASE_URL", "postgresql:///x?host=/nowhere&connect_timeout=1")

    result = almoner_charities("import", irs_file(irs_row()))

    assert result.exit_code == 1
    assert "database cannot be reached" in result.output


def test_an_operators_database_without_tables_is_left_alone(
    almoner_charities: Almoner,
    new_database: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is told how to make them."""
    monkeypatch.setenv("ALMONER_DATABASE_URL", new_database(empty=True))

    result = almoner_charities("demo")

    assert result.exit_code == 1
    assert "almoner migrate" in result.output


def test_a_private_database_is_made_ready(
    almoner_charities: Almoner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Charities can be put in before the first `serve`, and are still there after it."""
    monkeypatch.delenv("ALMONER_DATABASE_URL")

    assert json.loads(almoner_charities("demo", "--json").stdout) == {"written": 42}
    assert json.loads(almoner_charities("demo", "--if-empty", "--json").stdout) == {"written": 0}
