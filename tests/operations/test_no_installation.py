"""Commands that work on an installation, where there is none: they say so and make nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PosixPath
from uuid import UUID

import pytest
import structlog
from typer.testing import CliRunner, Result

from almoner.cli import app, data_dir
from support.installation import SECRET_KEY

ID = str(UUID(int=1))
BY = ("--by", "Ann")
COMMANDS = [
    ("charities", "list"),
    ("check",),
    ("events", "parked"),
    ("events", "retry"),
    ("journal", "drain"),
    ("journal", "recover"),
    ("journal", "status"),
    ("ledger", "balances"),
    ("ledger", "head"),
    ("ledger", "verify"),
    ("limits", "reset", "--charity", "101"),
    ("limits", "show"),
    ("match",),
    ("rebuild-from-gateway",),
    ("review", "approve", ID, *BY),
    ("review", "list"),
    ("review", "propose", ID, "--as", "not-charged", "--because", "asked them", *BY),
    ("review", "show", ID),
    ("review", "withdraw", ID, *BY),
    ("sandbox", "charges"),
    ("sandbox", "dispute", "sb00000001"),
    ("sandbox", "fault", "slow"),
    ("sandbox", "faults"),
    ("sandbox", "settle"),
    ("settlement", "import"),
    ("status",),
    ("webhooks", "list"),
    ("webhooks", "retry", "--all"),
]
Runs = Callable[..., Result]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """Runs a command with these settings."""

    def run(*words: object, **settings: str) -> Result:
        for name, value in settings.items():
            monkeypatch.setenv(f"ALMONER_{name.upper()}", value)
        return CliRunner().invoke(app, [str(word) for word in words])

    yield run
    structlog.reset_defaults()  # its log went to a stream that is closed now


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_in_a_wrong_folder_a_command_says_so_and_makes_nothing(
    runs: Runs, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """A new installation there would answer "0 charges" and have a key that fits nothing."""
    nowhere = tmp_path / "nowhere"

    said = runs(*words, "--data-dir", nowhere)

    assert (said.exit_code, said.stdout) == (3, ""), said.output
    assert f"There is no installation in {nowhere}" in said.stderr
    assert not nowhere.exists()


def test_a_backup_of_nothing_is_not_made(runs: Runs, tmp_path: Path) -> None:
    """Neither it nor what it would be of."""
    said = runs("backup", tmp_path / "copy", "--data-dir", tmp_path / "nowhere")

    assert said.exit_code == 3, said.output
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_our_schema_is_said_in_one_sentence(
    runs: Runs, new_database: Callable[..., str], redis_url: str, tmp_path: Path
) -> None:
    """Every command says the same, ends with 3, and makes nothing."""
    given = {"database_url": new_database(empty=True), "redis_url": redis_url}
    given |= {"sandbox_database_url": new_database(empty=True), "secret_key": SECRET_KEY}

    said = {words: runs(*words, "--data-dir", tmp_path, **given) for words in COMMANDS}

    assert {words: result.exit_code for words, result in said.items()} == dict.fromkeys(said, 3)
    sentences = {result.stderr for result in said.values()}
    assert len(sentences) == 1, sentences
    assert "The schema is at nothing" in sentences.pop()
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_not_made_up_for_a_database_that_has_its_own(
    runs: Runs, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """The key of the installation is somewhere else."""
    given = {"database_url": database_url, "redis_url": redis_url, "secret_key": ""}

    said = runs("check", "--data-dir", tmp_path, **given)

    assert (said.exit_code, list(tmp_path.iterdir())) == (3, []), said.output
    assert "There is no secret key" in said.stderr


class Closed(PosixPath):
    """Something that this user may not look at, also when the test runs as root."""

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Denied."""
        raise PermissionError(13, "Permission denied", str(self))


def test_what_may_not_be_looked_at_is_not_called_missing(tmp_path: Path) -> None:
    """It may well be there; whoever opens it then says whose it is."""
    assert data_dir._is_missing(tmp_path / "nowhere")
    assert not data_dir._is_missing(Closed(tmp_path))
    assert not data_dir._is_missing(tmp_path)
